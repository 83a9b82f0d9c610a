"""Requests that wait until searches see a write: on the event loop, so that they hold no thread that others need.

Nor do they hold a place among the requests at work. While views are behind they may wait for half a minute, and one
collection's views must keep nobody else's searches, logins and health checks waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from api.access.request_state import state_of
from api.errors import ApiError
from api.serving.runtimes import Runtimes
from retrieval.errors import NotFoundError, RetrievalError
from retrieval.views.follower import Follower

MAX_WAITING = 192  # at once; with those at work and those that listen, fewer than the connections
MAX_WAITING_FOR_ONE = 128  # collection, as many as may be at work
BUSY_RETRY_SECONDS = 1


class TooManyWaitingError(ApiError):
    """503: one more would wait than may."""

    def __init__(self, collection: str) -> None:
        super().__init__(
            503,
            "busy",
            f"too many requests wait for the views of collection {collection!r}, or of others; try again",
            retry_after=BUSY_RETRY_SECONDS,
        )


class Waits:
    """Lets requests wait. Of one event loop."""

    def __init__(self, runtimes: Runtimes) -> None:
        self._runtimes = runtimes
        self._waiting: Counter[str] = Counter()  # by collection

    @property
    def count(self) -> int:
        """How many wait now."""
        return self._waiting.total()

    async def until_searchable(
        self, request: Request, collection: str, seq: int, timeout: float, collection_id: int | None = None
    ) -> None:
        """Return once every search that begins from now on sees `seq`.

        Raises `NotYetSearchableError` after `timeout` seconds, `NotFoundError` where another collection than that of
        the id has the name by now, `TooManyWaitingError`, and `ClientDisconnect` once nobody waits for the answer.
        """
        deadline = time.monotonic() + timeout
        while True:
            runtime = self._runtimes.open_now(collection)
            if runtime is None:
                runtime = await run_in_threadpool(self._runtimes.get, collection)
            if collection_id not in (None, runtime.collection_id):
                raise NotFoundError(f"collection {collection!r} was deleted meanwhile, and made anew")
            follower = runtime.follower
            try:
                is_seen = follower.sees(seq) or await self._news(request, collection, follower, seq, deadline)
            except RetrievalError:
                if self._runtimes.open_now(collection) is runtime:
                    raise
                continue
            if self._runtimes.open_now(collection) not in (None, runtime):
                continue  # exchanged meanwhile: what serves now may stand elsewhere
            if is_seen:  # where nothing serves any more, whoever opens it next catches up first
                return
            if time.monotonic() >= deadline:
                raise follower.late(seq, timeout)

    async def _news(self, request: Request, collection: str, follower: Follower, seq: int, deadline: float) -> bool:
        """Whether searches see `seq`, asked when that may have changed, or when the time is over."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                loop.call_soon_threadsafe(_set, told)

        with self._place(collection), state_of(request.scope).aside(), follower.telling(seq, tell):
            if not follower.sees(seq):
                await _until(told, request, deadline - time.monotonic())
        return follower.sees(seq)

    @contextmanager
    def _place(self, collection: str) -> Iterator[None]:
        if self.count >= MAX_WAITING or self._waiting[collection] >= MAX_WAITING_FOR_ONE:
            raise TooManyWaitingError(collection)
        self._waiting[collection] += 1
        try:
            yield
        finally:
            self._waiting[collection] -= 1
            if not self._waiting[collection]:
                del self._waiting[collection]


def _set(told: asyncio.Future[None]) -> None:
    if not told.done():  # it may be told again before it has left
        told.set_result(None)


async def _until(told: asyncio.Future[None], request: Request, seconds: float) -> None:
    """Return when told, or after so many seconds. Raises `ClientDisconnect` once the client has left."""
    gone = asyncio.ensure_future(_leaving(request))
    try:
        await asyncio.wait((told, gone), timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            gone.result()  # what the rest of a body that nobody has read is refused for
            raise ClientDisconnect
    finally:
        gone.cancel()


async def _leaving(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
