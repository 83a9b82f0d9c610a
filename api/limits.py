"""Bounds on what one caller, and all together, may ask of the process; each refuses with a status that says so."""

from __future__ import annotations

import math
import time

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError, render
from api.open_paths import EVENTS_PATH, SESSION_PATH, is_open
from api.request_state import state_of

MAX_IN_FLIGHT = 128  # requests at once; 40 threads work on them, the rest waits for milliseconds
BUSY_RETRY_SECONDS = 1
MAX_BUCKETS = 10_000  # callers remembered; those who may take everything are forgotten first


class BodyLimit:
    """ASGI middleware: 413 for bodies above `most` bytes, declared or, without a length, once they have come."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the body while the route reads it; whatever the route makes of the refusal, the answer is 413."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._most:
            raise self._refusal()
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        received, refused, started = 0, False, False

        async def counting_receive() -> Message:
            nonlocal received, refused
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most:
                refused = True
                raise HTTPException(413)
            return message

        async def truthful_send(message: Message) -> None:
            nonlocal started
            if refused and not started:
                return  # what the route says of the cut body; ours comes below
            started = True
            await send(message)

        try:
            await self._app(scope, counting_receive, truthful_send)
        except HTTPException:
            if not refused:
                raise
        if refused and not started:
            await render(state_of(scope), scope["path"], self._refusal())(scope, receive, send)

    def _refusal(self) -> ApiError:
        return ApiError(
            413,
            "body_too_large",
            f"the body is larger than {self._most} bytes; send less at once or raise max_body_bytes",
            headers={"Connection": "close"},  # the rest of the body is not read
        )


class ConcurrencyLimit:
    """ASGI middleware: 503 rather than an ever longer queue."""

    def __init__(self, app: ASGIApp, most: int = MAX_IN_FLIGHT) -> None:
        self._app = app
        self._most = most
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass unless too many are at work; health checks and the console's files always pass."""
        if scope["type"] != "http" or not _is_work(scope["path"]):
            return await self._app(scope, receive, send)
        if self._in_flight >= self._most:
            raise ApiError(503, "busy", f"{self._most} requests are at work; try again", retry_after=BUSY_RETRY_SECONDS)
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1


def _is_work(path: str) -> bool:
    """Listeners to events stay for minutes and do nothing; their number has a bound of its own (api/pulse.py)."""
    return path == SESSION_PATH or (path != EVENTS_PATH and not is_open(path))


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
