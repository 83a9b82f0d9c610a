"""Bounds on request bodies: how large they may be, and how long a client may take to send one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.request_state import state_of
from api.errors import ApiError
from api.http.errors import render

BUSY_RETRY_SECONDS = 5
_CLOSED = {"Connection": "close"}  # the rest of the body is not read


@dataclass(frozen=True, slots=True)
class Patience:
    """How long bodies may take: each holds one of the places for requests, so slow ones must not take them all."""

    silent_seconds: float = 15.0  # without a byte
    whole_seconds: float = 30.0  # for a body of any size, and more for what came:
    least_pace: int = 1024  # bytes a second
    prompt_seconds: float = 2.0  # beyond which a body that comes below `prompt_pace` counts as slow
    prompt_pace: int = 16_384  # bytes a second
    most_slow: int = 64  # bodies at once, half of the places


class BodyLimit:
    """ASGI middleware: 413 for bodies above `most` bytes, 408 for those that do not come, 503 for too many slow ones.

    A length may be declared or not; what counts is what comes.
    """

    def __init__(self, app: ASGIApp, most: int, patience: Patience) -> None:
        self._app = app
        self._most = most
        self._patience = patience
        self._slow = 0  # bodies that are slow now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Watch the body while the route reads it; whatever the route makes of a refusal, ours is the answer."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._most:
            raise self._too_large()
        await self._watched(scope, receive, send)

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, started = _Body(receive, self._patience), False
        refusal: ApiError | None = None

        async def watching_receive() -> Message:
            nonlocal refusal
            try:
                return await self._next(body)
            except ApiError as error:
                refusal = error
                raise HTTPException(error.status) from error  # which no route takes for a failure of its own

        async def truthful_send(message: Message) -> None:
            nonlocal started
            if refusal is not None and not started:
                return  # what the route says of the cut body; ours comes below
            started = True
            await send(message)

        try:
            await self._app(scope, watching_receive, truthful_send)
        except HTTPException:
            if refusal is None:
                raise
        finally:
            self._slow -= body.is_slow
        if refusal is not None and not started:
            await render(state_of(scope), scope["path"], refusal)(scope, receive, send)

    async def _next(self, body: _Body) -> Message:
        """The next part of the body. Raises `ApiError` where it is too much, too late or too slow."""
        try:
            message = await body.prompt_part()
            if message is None:
                if self._slow >= self._patience.most_slow:
                    raise self._too_many_slow()
                body.is_slow = True
                self._slow += 1
                message = await body.late_part()
        except TimeoutError:
            raise self._too_late(body) from None
        if body.ended and body.is_slow:
            body.is_slow = False
            self._slow -= 1
        if body.received > self._most:
            raise self._too_large()
        return message

    def _too_large(self) -> ApiError:
        message = f"the body is larger than {self._most} bytes; send less at once or raise max_body_bytes"
        return ApiError(413, "body_too_large", message, headers=_CLOSED)

    def _too_late(self, body: _Body) -> ApiError:
        message = (
            f"the body did not come: {body.received} bytes in {body.seconds:.0f} s; send it within "
            f"{self._patience.whole_seconds:g} s or at {self._patience.least_pace} bytes a second, never silent for "
            f"{self._patience.silent_seconds:g} s"
        )
        return ApiError(408, "body_too_slow", message, headers=_CLOSED)

    def _too_many_slow(self) -> ApiError:
        message = f"{self._patience.most_slow} bodies come slowly already; send yours faster or try again"
        return ApiError(503, "busy", message, retry_after=BUSY_RETRY_SECONDS, headers=_CLOSED)


class _Body:
    """What came of one body so far, and until when more must come."""

    def __init__(self, receive: Receive, patience: Patience) -> None:
        self._receive = receive
        self._patience = patience
        self._began: float | None = None
        self.received = 0  # bytes
        self.ended = False
        self.is_slow = False

    @property
    def seconds(self) -> float:
        """Since the route began to read it."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    async def prompt_part(self) -> Message | None:
        """The next part; None where it is not there and the body has become slow. Raises `TimeoutError`."""
        if self._began is None:
            self._began = time.monotonic()
        if self.ended:  # the route waits for the client to leave, which may take as long as the answer
            return await self._receive()
        if self.is_slow:
            return await self.late_part()
        left = self._patience.prompt_seconds + self.received / self._patience.prompt_pace - self.seconds
        if left >= self._left():
            return await self.late_part()
        try:
            return await self._part(left)
        except TimeoutError:
            return None

    async def late_part(self) -> Message:
        """The next part, as long as it may take. Raises `TimeoutError`."""
        return await self._part(self._left())

    def _left(self) -> float:
        whole = self._patience.whole_seconds + self.received / self._patience.least_pace
        return min(self._patience.silent_seconds, whole - self.seconds)

    async def _part(self, seconds: float) -> Message:
        async with asyncio.timeout(max(0.0, seconds)):
            message = await self._receive()
        self.received += len(message.get("body", b""))
        self.ended = not message.get("more_body", False)  # also of a client that left
        return message
