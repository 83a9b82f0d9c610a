"""Who may come in: all but a few open requests need a key, a token or a session, before any route is looked at."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.callers import Caller, Session
from api.access.open_paths import SESSION_PATH, is_open
from api.access.request_state import state_of
from api.access.sessions import COOKIE, CSRF_HEADER, SAFE_METHODS, Sessions
from api.access.tokens import TokenVerifier
from api.errors import ApiError, unauthenticated
from retrieval.catalog.keys import KEY_PREFIX, Keys

TRUST_SECONDS = 1.0  # how long a good key is not looked up again: a revoked one is refused after that
RIGHTS_SECONDS = 2.0  # how soon a listener whose key was revoked is sent away
MAX_TRUSTED = 10_000  # keys remembered; beyond that all are looked up again
MAX_CREDENTIAL = 16_384  # characters; a token with many groups stays below it


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request shows of who sends it. A cookie counts only where no Authorization header says otherwise."""

    authorization: str | None
    cookie: str | None = None

    @classmethod
    def of(cls, scope: Scope) -> Presented:
        """What the request's headers hold. Raises `ApiError` 401 for two answers to "who"."""
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(values) > 1:
            raise _malformed(f"{len(values)} Authorization headers came; send one")
        if values:
            return cls(values[0].decode("latin-1"))
        cookies = cookie_parser("; ".join(Headers(scope=scope).getlist("cookie")))
        return cls(None, cookies.get(COOKIE))

    @property
    def digest(self) -> bytes:
        """Under which it is remembered: secrets are not kept, not even in memory."""
        kind, text = ("key", self.authorization) if self.cookie is None else ("cookie", self.cookie)
        return hashlib.sha256(f"{kind} {text or ''}".encode()).digest()


NOTHING = Presented(None)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, and the console's session by which that is known, if it is by one."""

    caller: Caller
    session: Session | None = None
    expires_at: datetime | None = None  # None: never, or the token says it, which is looked at again every second


class Authenticator:
    """Turns what a request presents into who sends it."""

    def __init__(self, keys: Keys, sessions: Sessions, tokens: TokenVerifier | None = None) -> None:
        self._keys = keys
        self._sessions = sessions
        self._tokens = tokens
        self._guard = threading.Lock()
        self._trusted: dict[bytes, tuple[float, Identity]] = {}
        self._forgotten = 0  # times: what was looked up before is not to be remembered after

    def remembered(self, presented: Presented) -> Identity | None:
        """Who it is, where the same was good within the last second; does not block."""
        found = self._trusted.get(presented.digest)
        if found is None or time.monotonic() - found[0] >= TRUST_SECONDS:
            return None
        ends = found[1].expires_at
        return found[1] if ends is None or datetime.now(UTC) < ends else None

    def check(self, presented: Presented) -> Identity:
        """Who it is. Raises `ApiError` 401; reads the catalog, so it blocks."""
        asked_at, forgotten = time.monotonic(), self._forgotten
        identity = self._identity(presented)
        with self._guard:
            if forgotten == self._forgotten:
                if len(self._trusted) >= MAX_TRUSTED:
                    self._trusted.clear()
                self._trusted[presented.digest] = (asked_at, identity)
        return identity

    def still_good(self, presented: Presented) -> bool:
        """Whether it would still be let in, for what goes on for longer than a request; blocks.

        Where that cannot be told at the moment, as with a silent identity provider, it goes on as it was let in.
        """
        try:
            self.check(presented)
        except ApiError as error:
            return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return True

    def forget(self) -> None:
        """Look every key up again: one was revoked in this process."""
        with self._guard:
            self._forgotten += 1
            self._trusted.clear()

    def _identity(self, presented: Presented) -> Identity:
        if presented.cookie is not None:
            session = self._sessions.read(presented.cookie)
            return Identity(session.caller, session, session.expires_at)
        credential = _credential(presented.authorization)
        if self._tokens is not None and not credential.startswith(f"{KEY_PREFIX}_"):
            return Identity(self._tokens.verify(credential))
        record = self._keys.check(credential)
        if record is None:
            raise unauthenticated("the key is unknown, expired or revoked; ask an operator for another")
        return Identity(Caller.of_key(record), expires_at=record.expires_at)


class Authentication:
    """ASGI middleware: knows the caller or refuses; fails closed, also for paths that do not exist."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass with its caller in the state, or raise `ApiError`."""
        if scope["type"] == "http" and not is_open(scope["path"], scope["method"]):
            presented = Presented.of(scope)
            state = state_of(scope)
            state.asks_who = presented == NOTHING and (scope["path"], scope["method"]) == (SESSION_PATH, "GET")
            identity = self._authenticator.remembered(presented)
            if identity is None:
                identity = await run_in_threadpool(self._authenticator.check, presented)
            state.caller, state.session = identity.caller, identity.session
            _check_origin(scope, identity.session)
        await self._app(scope, receive, send)


def _check_origin(scope: Scope, session: Session | None) -> None:
    """A browser sends the cookie by itself: what changes something must also know what only our pages know."""
    if session is None or scope["method"] in SAFE_METHODS:
        return
    told = dict(scope["headers"]).get(CSRF_HEADER, b"")
    if not hmac.compare_digest(told, session.csrf.encode()):
        raise ApiError(
            403,
            "csrf",
            "a request by the console's session must carry X-CSRF-Token as GET /console/session tells it; "
            "reload the page, or use a key",
        )


def _credential(authorization: str | None) -> str:
    if authorization is None:
        raise unauthenticated("no key was sent; send it as `Authorization: Bearer kb_…`")
    scheme, _, credential = authorization.partition(" ")
    credential = credential.strip()
    printable = credential.isascii() and credential.isprintable()
    if scheme.lower() != "bearer" or not credential or not printable or len(credential) > MAX_CREDENTIAL:
        raise _malformed("the Authorization header does not fit; expected `Authorization: Bearer kb_…`")
    return credential


def _malformed(message: str) -> ApiError:
    return ApiError(401, "malformed_authorization", message, headers={"WWW-Authenticate": "Bearer"})
