"""Embedding ahead: what the next messages need is embedded while those before them are being stored.

Only vectors are made and kept, which are addressed by the text itself. What the messages mean is told in their own
turn, when what precedes them is stored; where a joined row has changed meanwhile its text is embedded then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from types import TracebackType

from ingest.kafka.message import Message

logger = logging.getLogger(__name__)

SAMPLE = 16  # messages; where none of them needs the encoder, the others are not looked at twice

Embed = Callable[[Sequence[Message]], int]  # how many passages were embedded


class Ahead:
    """Runs `embed` on later messages in a thread of its own. Use it in a `with`: it waits for what was begun."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: Future[None] | None = None

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def begin(self, messages: Sequence[Message]) -> None:
        """Embed what these will need, in the background."""
        if messages:
            self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="ahead")
            self._under_way = self._pool.submit(self._run, messages)

    def wait(self) -> float:
        """Until what was begun is done; the seconds it took."""
        began = perf_counter()
        if self._under_way is not None:
            self._under_way.result()
        return perf_counter() - began

    def _run(self, messages: Sequence[Message]) -> None:
        try:
            if self._embed(messages[:SAMPLE]) and len(messages) > SAMPLE:
                self._embed(messages[SAMPLE:])
        except Exception as error:  # their own turn meets it again, and says what it means
            logger.debug("the next %d messages are not embedded ahead: %s", len(messages), error)
