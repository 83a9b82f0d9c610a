"""Bounds on what one caller, and all together, may ask of the process; each refuses with a status that says so."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.open_paths import is_listening, is_login, is_open
from api.access.request_state import state_of
from api.errors import ApiError

MAX_IN_FLIGHT = 128  # requests at once; 40 threads work on them, the rest waits for milliseconds
MAX_LOGINS = 16  # at once, of anybody
BUSY_RETRY_SECONDS = 1
MAX_BUCKETS = 10_000  # callers remembered; those who may take everything are forgotten first


class ConcurrencyLimit:
    """ASGI middleware: 503 rather than an ever longer queue.

    Logins need no key, so they have few places of their own: whoever takes them all keeps nobody else from working.
    Who waits for views lends his place to others meanwhile; api/http/waits.py has the bounds of that.
    """

    def __init__(self, app: ASGIApp, most: int = MAX_IN_FLIGHT) -> None:
        self._app = app
        self._work = _Places(most, "requests are at work")
        self._logins = _Places(MAX_LOGINS, "logins are under way")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass unless too many are at work; health checks and the console's files always pass."""
        places = self._places_for(scope)
        if places is None:
            return await self._app(scope, receive, send)
        with places.taken():
            state_of(scope).aside = places.lent
            await self._app(scope, receive, send)

    def _places_for(self, scope: Scope) -> _Places | None:
        if scope["type"] != "http" or is_listening(scope["path"]):
            return None
        if is_login(scope["path"], scope["method"]):
            return self._logins
        return None if is_open(scope["path"], scope["method"]) else self._work


class _Places:
    """So many at once."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._count = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """One more; raises `ApiError` 503 where all are taken."""
        if self._count >= self._most:
            raise ApiError(503, "busy", f"{self._most} {self._what}; try again", retry_after=BUSY_RETRY_SECONDS)
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    @contextmanager
    def lent(self) -> Iterator[None]:
        """One fewer inside the `with`, for a request that only waits there; afterwards it may be one too many."""
        self._count -= 1
        try:
            yield
        finally:
            self._count += 1


class TokenBuckets:
    """One bucket of `per_minute` tokens per name, refilled steadily: a burst of a minute's worth is allowed."""

    def __init__(self, per_minute: int) -> None:
        self._size = float(per_minute)
        self._per_second = per_minute / 60
        self._buckets: dict[str, tuple[float, float]] = {}  # name -> (tokens, when counted)

    def take(self, name: str, now: float | None = None) -> float:
        """0 where a token was taken, else after how many seconds there will be one."""
        now = time.monotonic() if now is None else now
        tokens, counted = self._buckets.get(name, (self._size, now))
        tokens = min(self._size, tokens + (now - counted) * self._per_second)
        if tokens < 1:
            self._buckets[name] = (tokens, now)
            return (1 - tokens) / self._per_second
        if len(self._buckets) >= MAX_BUCKETS:
            self._forget_full(now)
        self._buckets[name] = (tokens - 1, now)
        return 0.0

    def _forget_full(self, now: float) -> None:
        self._buckets = {
            name: (tokens, counted)
            for name, (tokens, counted) in self._buckets.items()
            if tokens + (now - counted) * self._per_second < self._size
        }


class RateLimit:
    """ASGI middleware behind authentication: 429 for a caller who asks too often."""

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        self._app = app
        self._per_minute = per_minute
        self._buckets = TokenBuckets(per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a token of the caller's bucket or raise `ApiError` 429."""
        caller = state_of(scope).caller if scope["type"] == "http" else None
        wait = self._buckets.take(caller.name) if caller is not None else 0.0
        if wait:
            raise ApiError(
                429,
                "too_many_requests",
                f"this key may ask {self._per_minute} times a minute; try again in {math.ceil(wait)} s",
                retry_after=wait,
            )
        await self._app(scope, receive, send)
