"""Who listens to events: open connections that stay for minutes and do nothing, so they have a bound of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.errors import ApiError
from api.http.sse import HEADERS

MAX_LISTENERS = 64  # of one kind of events; people who watch are few
BUSY_RETRY_SECONDS = 5


class Listeners:
    """Those of one kind of events; `arrived` is told of each that comes. Of one event loop."""

    def __init__(self, arrived: Callable[[], None] = lambda: None) -> None:
        self.count = 0
        self._arrived = arrived

    def enter(self) -> None:
        """Somebody listens from now on, until `leave`. Raises `ApiError` 503 where too many listen already."""
        if self.count >= MAX_LISTENERS:
            raise ApiError(
                503, "busy", f"{MAX_LISTENERS} listeners watch already; try again", retry_after=BUSY_RETRY_SECONDS
            )
        self.count += 1
        self._arrived()

    def leave(self) -> None:
        """Somebody listens no more."""
        self.count -= 1


class EventStream(StreamingResponse):
    """Server-sent events to one of the listeners.

    Who is one too many is refused here: between a check in the route and the first event others may have come.
    """

    def __init__(self, listeners: Listeners, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=HEADERS)
        self._listeners = listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them; raises `ApiError` 503, with nothing sent, where too many listen already."""
        self._listeners.enter()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._listeners.leave()
