"""Who may come in: every request but a few open ones needs a key or a token, before any route is looked at."""

from __future__ import annotations

import hashlib
import time

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from api.callers import Caller
from api.errors import ApiError, unauthenticated
from api.open_paths import is_open
from api.request_state import state_of
from api.tokens import TokenVerifier
from retrieval.catalog.keys import KEY_PREFIX, Keys

TRUST_SECONDS = 1.0  # how long a good key is not looked up again: a revoked one is refused after that
MAX_TRUSTED = 10_000  # keys remembered; beyond that all are looked up again
MAX_CREDENTIAL = 16_384  # characters; a token with many groups stays below it


class Authenticator:
    """Turns the Authorization header into a caller."""

    def __init__(self, keys: Keys, tokens: TokenVerifier | None = None) -> None:
        self._keys = keys
        self._tokens = tokens
        self._trusted: dict[bytes, tuple[float, Caller]] = {}

    def remembered(self, authorization: str | None) -> Caller | None:
        """The caller, where the same header was good within the last second; does not block."""
        found = self._trusted.get(_digest(authorization or ""))
        return found[1] if found is not None and time.monotonic() - found[0] < TRUST_SECONDS else None

    def check(self, authorization: str | None) -> Caller:
        """The caller. Raises `ApiError` 401; reads the catalog, so it blocks."""
        asked_at = time.monotonic()
        caller = self._caller(_credential(authorization))
        if len(self._trusted) >= MAX_TRUSTED:
            self._trusted.clear()
        self._trusted[_digest(authorization or "")] = (asked_at, caller)
        return caller

    def forget(self) -> None:
        """Look every key up again: one was revoked in this process."""
        self._trusted.clear()

    def _caller(self, credential: str) -> Caller:
        if self._tokens is not None and not credential.startswith(f"{KEY_PREFIX}_"):
            return self._tokens.verify(credential)
        record = self._keys.check(credential)
        if record is None:
            raise unauthenticated("the key is unknown, expired or revoked; ask an operator for another")
        return Caller.of_key(record)


class Authentication:
    """ASGI middleware: knows the caller or refuses; fails closed, also for paths that do not exist."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass with its caller in the state, or raise `ApiError`."""
        if scope["type"] == "http" and not is_open(scope["path"]):
            authorization = _authorization(scope)
            caller = self._authenticator.remembered(authorization)
            state_of(scope).caller = caller or await run_in_threadpool(self._authenticator.check, authorization)
        await self._app(scope, receive, send)


def _authorization(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    return values[0].decode("latin-1") if len(values) == 1 else None  # two answers to "who are you" are none


def _credential(authorization: str | None) -> str:
    if authorization is None:
        raise unauthenticated("no key was sent; send it as `Authorization: Bearer kb_…`")
    scheme, _, credential = authorization.partition(" ")
    credential = credential.strip()
    printable = credential.isascii() and credential.isprintable()
    if scheme.lower() != "bearer" or not credential or not printable or len(credential) > MAX_CREDENTIAL:
        raise ApiError(
            401,
            "malformed_authorization",
            "the Authorization header does not fit; expected `Authorization: Bearer kb_…`",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return credential


def _digest(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode()).digest()  # secrets are not kept, not even in memory
