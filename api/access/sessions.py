"""Sessions of the console: an encrypted cookie that says whose they are, so that every process of a cluster knows them.

The cookie never holds a key. One that was opened with a key names it, and dies with it; one that an identity provider
opened holds the groups he told, until it ends.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from api.access.callers import Caller, Session
from api.errors import ApiError, unauthenticated
from infra.secrets import CONSOLE_SESSIONS, SecretBox
from infra.settings import Settings
from retrieval.catalog.keys import KeyRecord, Keys, Scope
from retrieval.errors import NotFoundError

COOKIE = "kb_session"
CSRF_HEADER = b"x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, 9.2.1: these change nothing
SESSION_LENGTH = timedelta(hours=12)  # a working day
MAX_COOKIE = 3_800  # characters: browsers drop cookies beyond 4096 bytes with name and attributes
MAX_ENDED = 10_000  # sessions remembered as ended in this process


class Sessions:
    """Opens sessions and reads their cookies. The first use makes the key file where KB_SECRET_KEY is not set."""

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._settings = settings
        self._box: SecretBox | None = None
        self._opening = threading.Lock()
        self._ended: dict[str, datetime] = {}  # id -> when it would have expired

    def of_key(self, record: KeyRecord) -> tuple[Session, str]:
        """A session with the rights of a key, and its cookie."""
        until = _now() + SESSION_LENGTH
        until = until if record.expires_at is None else min(until, record.expires_at)
        session = Session(secrets.token_hex(16), Caller.of_key(record), record.name, until)
        return session, self._sealed(session, {"key": record.id})

    def of_token(self, caller: Caller, label: str, expires_at: datetime | None = None) -> tuple[Session, str]:
        """A session with the rights that a verified token gave. Raises `ApiError` where it has too many groups."""
        until = _now() + SESSION_LENGTH
        session = Session(secrets.token_hex(16), caller, label, min(until, expires_at or until))
        return session, self._sealed(session, {"name": caller.name, "label": label, "groups": sorted(caller.groups)})

    def read(self, cookie: str) -> Session:
        """The session of a cookie; reads the catalog. Raises `ApiError` 401 where it is not good any more."""
        text = self._secrets().opened(cookie.encode()) if cookie.isascii() and len(cookie) <= MAX_COOKIE else None
        if text is None:
            raise _over()
        said: dict[str, Any] = orjson.loads(text)
        expires_at = datetime.fromtimestamp(said["until"], UTC)
        if expires_at <= _now() or said["id"] in self._ended:
            raise _over()
        if "key" in said:
            record = self._valid_key(said["key"])
            return Session(said["id"], Caller.of_key(record), record.name, expires_at)
        caller = Caller(said["name"], Scope.READ, frozenset(said["groups"]))
        return Session(said["id"], caller, said["label"], expires_at)

    def end(self, session: Session) -> None:
        """Refuse that session from now on in this process; elsewhere it ends with its cookie, its key or its time."""
        if len(self._ended) >= MAX_ENDED:
            now = _now()
            self._ended = {one: until for one, until in self._ended.items() if until > now}
        self._ended[session.id] = session.expires_at

    def _valid_key(self, key_id: str) -> KeyRecord:
        try:
            record = self._keys.get(key_id)
        except NotFoundError:
            raise _over() from None
        if not record.is_valid(_now()):
            raise _over()
        return record

    def _sealed(self, session: Session, who: Mapping[str, Any]) -> str:
        said = {"id": session.id, "until": session.expires_at.timestamp(), **who}
        cookie = self._secrets().encrypt(orjson.dumps(said).decode()).decode()
        if len(cookie) > MAX_COOKIE:
            raise ApiError(
                403,
                "too_many_groups",
                f"the token lists {len(session.caller.groups)} groups, more than a cookie can carry; "
                "let the issuer list fewer, or log in with a key",
            )
        return cookie

    def _secrets(self) -> SecretBox:
        with self._opening:
            if self._box is None:
                self._box = SecretBox.of(self._settings, CONSOLE_SESSIONS)
            return self._box


def _over() -> ApiError:
    return unauthenticated("the session is over, or its key was revoked; log in again")


def _now() -> datetime:
    return datetime.now(UTC)
