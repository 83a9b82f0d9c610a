"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.2
OUTAGE_MAX_SECONDS = 2.0  # while a server is away: a try costs little, and what changes meanwhile is late by a pause
MAX_SECONDS = 30.0  # after a failure that nobody knows, which a try may make worse
JITTER = 0.2  # share of a pause by which it varies, so that many workers do not come back at once


class Backoff:
    """Pauses that double from 0.2 seconds to a bound until something succeeds."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311  # spreads load, guards nothing
        self._seconds = FIRST_SECONDS

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._seconds != FIRST_SECONDS

    def next(self, at_most: float = MAX_SECONDS) -> float:
        """Seconds to wait now, about `at_most` at the most; the next pause is twice as long."""
        pause = min(self._seconds, at_most)
        self._seconds = min(2 * pause, MAX_SECONDS)
        return pause * self._random.uniform(1 - JITTER, 1 + JITTER)

    def reset(self) -> None:
        """It worked: begin again with the shortest pause."""
        self._seconds = FIRST_SECONDS
