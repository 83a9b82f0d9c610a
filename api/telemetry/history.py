"""What this process did in the last hour, in steps of ten seconds: for charts, where nobody runs Prometheus."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

STEP_SECONDS = 10.0
KEPT_STEPS = 360  # an hour
SEARCHES = frozenset({"/v1/search", "/v1/retrieval"})  # routes whose time is a search's; answers wait for models
MAX_TIMES = 20_000  # of searches kept in one step: the share above a time does not change with more


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what happened in it, and how things stood at its end. Times in milliseconds, None without a search."""

    at: datetime
    seconds: float
    requests: int
    errors: int
    searches: int
    p50_ms: float | None
    p95_ms: float | None
    operations: int
    lag: int
    open_jobs: int


class History:
    """Counts requests as they end; `close_step` makes a step of what was counted. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._steps: deque[Step] = deque(maxlen=KEPT_STEPS)
        self._began = time.monotonic()
        self._requests = self._errors = self._searches = 0
        self._times: list[float] = []

    def request(self, route: str, status: int, seconds: float) -> None:
        """One request came to its end; status 0 is one that got no answer."""
        with self._guard:
            self._requests += 1
            self._errors += status >= 500 or status == 0
            if route in SEARCHES and status == 200:
                self._searches += 1
                if len(self._times) < MAX_TIMES:
                    self._times.append(seconds * 1000)

    def close_step(self, operations: int, lag: int, open_jobs: int) -> None:
        """End the step with `operations` written in it, and this lag (operations) and these open jobs at its end."""
        with self._guard:
            now = time.monotonic()
            times = sorted(self._times)
            self._steps.append(
                Step(
                    datetime.now(UTC),
                    round(now - self._began, 3),
                    self._requests,
                    self._errors,
                    self._searches,
                    quantile(times, 0.5),
                    quantile(times, 0.95),
                    operations,
                    lag,
                    open_jobs,
                )
            )
            self._began, self._times = now, []
            self._requests = self._errors = self._searches = 0

    @property
    def steps(self) -> list[Step]:
        """The steps of the last hour, oldest first."""
        with self._guard:
            return list(self._steps)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed; None of nothing."""
    if not ordered:
        return None
    rank = -(-round(share * 1_000_000) * len(ordered) // 1_000_000)  # rounded up, without binary fractions
    return round(ordered[max(0, rank - 1)], 3)
