"""A stream of events that fails after it has begun: the failure is an event, and the stream ends as it should."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from starlette.responses import StreamingResponse

from api.errors import ApiError
from api.http.sse import Event, stream
from api.http.workers import Workers
from retrieval.errors import OutageError

LAST = b"data: [DONE]\n\n"


def failing(error: Exception, shown: object = "a") -> Iterator[Event]:
    yield "", shown
    raise error


async def sent(events: Iterator[Event]) -> bytes:
    def describe(error: ApiError) -> Event:
        return "error", {"code": error.code, "message": error.message}

    response = await stream(Workers(), events, describe, LAST)
    assert isinstance(response, StreamingResponse)
    parts = [part async for part in response.body_iterator]
    return b"".join(part for part in parts if isinstance(part, bytes))


@pytest.mark.parametrize(
    ("error", "code"),
    [(OutageError("gone"), b"outage"), (TypeError("secret"), b"internal"), (ZeroDivisionError(), b"internal")],
)
def test_whatever_fails_is_told_and_the_stream_ends(error: Exception, code: bytes) -> None:
    body = asyncio.run(sent(failing(error)))
    assert body.startswith(b'data: "a"\n\nevent: error\n')
    assert b'"code":"' + code in body and b"secret" not in body
    assert body.endswith(LAST)
