"""Threads for blocking work, in two pools, so that slow answers never hold up a search."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

SEARCH_THREADS = 3  # at once: the interpreter runs one at a time, and two cores do the rest
ANSWER_THREADS = 32  # mostly waiting for a language model
_END: Any = object()


class Workers:
    """Runs blocking functions in threads with a bound for each kind of work."""

    def __init__(self) -> None:
        self._search = ThreadPoolExecutor(SEARCH_THREADS, thread_name_prefix="search")
        self._answer = anyio.CapacityLimiter(ANSWER_THREADS)

    async def search(self, work: Callable[[], T]) -> T:
        """The result of short work. The plain executor hands over in half the time that anyio takes."""
        return await asyncio.get_running_loop().run_in_executor(self._search, work)

    async def answer(self, work: Callable[[], T]) -> T:
        """The result of work that may wait for others."""
        return await anyio.to_thread.run_sync(work, limiter=self._answer)

    async def stream(self, items: Iterator[T]) -> AsyncGenerator[T, None]:
        """The items as they come, each produced in a thread; the iterator is closed when nobody listens any more."""
        try:
            while True:
                item = await anyio.to_thread.run_sync(next, items, _END, limiter=self._answer)
                if item is _END:
                    return
                yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                with anyio.CancelScope(shield=True):  # also when the caller has gone away
                    await anyio.to_thread.run_sync(close, limiter=self._answer)
