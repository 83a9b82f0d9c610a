"""Server-sent events out of an iterator that blocks; a failure on the way becomes an event, never a cut line."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing

from starlette.responses import Response, StreamingResponse

from api.errors import ApiError
from api.http.errors import as_api_error
from api.http.responses import to_json
from api.http.workers import Workers

logger = logging.getLogger(__name__)

HEADERS = {"X-Accel-Buffering": "no"}  # proxies such as nginx shall pass each event on at once
Event = tuple[str, object]  # (name, "" for none; data)


def event(name: str, data: object) -> bytes:
    """One event; the data is JSON on one line."""
    prefix = f"event: {name}\n".encode() if name else b""
    return prefix + b"data: " + to_json(data) + b"\n\n"


async def stream(
    threads: Workers, events: Iterator[Event], describe: Callable[[ApiError], Event], last: bytes = b""
) -> Response:
    """The events as a response. What fails before the first event fails the request, with its status."""
    source = threads.stream(events)
    try:
        first = await anext(source)
    except StopAsyncIteration:
        return Response(last, media_type="text/event-stream")

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(source):
            yield event(*first)
            try:
                async for item in source:
                    yield event(*item)
            except Exception as error:  # the status has left: whatever it is must be told as an event
                failure = as_api_error(error)
                logger.warning("a stream ended early: %s", error, exc_info=failure.code == "internal")
                yield event(*describe(failure))
            if last:
                yield last

    return StreamingResponse(body(), media_type="text/event-stream", headers=HEADERS)
