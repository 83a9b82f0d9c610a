"""The time budget of a run: wall seconds that count, and a stop that a person may ask for."""

from __future__ import annotations

import threading
import time


class Clock:
    """Counts from when it is made. Thread-safe."""

    def __init__(self, budget_seconds: float) -> None:
        self.budget = budget_seconds
        self._began = time.monotonic()
        self._cpu_began = time.process_time()
        self._stopped = threading.Event()
        self._ending = 0.0

    def stop(self) -> None:
        """End the search at the next trial, or step of an encoder; what was found is kept and tested."""
        self._stopped.set()

    def keep(self, seconds: float) -> None:
        """So many seconds of the budget are for its end, whatever shares say."""
        self._ending = seconds

    @property
    def is_stopped(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stopped.is_set()

    @property
    def seconds(self) -> float:
        """Wall seconds since the start."""
        return time.monotonic() - self._began

    @property
    def cpu_seconds(self) -> float:
        """Processor seconds of this process since the start."""
        return time.process_time() - self._cpu_began

    @property
    def is_over(self) -> bool:
        """Whether the whole budget is used, stopped or not."""
        return self.seconds >= self.budget

    def left(self, share: float = 1.0) -> float:
        """Seconds until `share` of the budget is used, or the end is to begin, at least 0; 0 once stopped."""
        until = min(share * self.budget, self.budget - self._ending)
        return 0.0 if self.is_stopped else max(0.0, until - self.seconds)
