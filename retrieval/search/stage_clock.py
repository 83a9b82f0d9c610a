"""How long the stages of a search take."""

from __future__ import annotations

import time


class StageClock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self._began = self._last = time.perf_counter()
        self.stages: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """What was done since the last lap is that stage."""
        now = time.perf_counter()
        self.stages[stage] = (now - self._last) * 1000
        self._last = now

    def total(self) -> float:
        """Since the clock was made."""
        return (time.perf_counter() - self._began) * 1000
