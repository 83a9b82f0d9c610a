"""What whoever measures hears of a process that runs jobs."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Hears what becomes of jobs and schedules here, in the thread that works: be quick."""

    def job(self, kind: str, outcome: str, seconds: float) -> None:
        """An attempt came to its end, as `Attempt.run` names it, after so many seconds."""
        ...

    def looked(self) -> None:
        """Schedules were looked at: what was due is a job now."""
        ...


class Unobserved:
    """An `Observer` that nobody looks at."""

    def job(self, kind: str, outcome: str, seconds: float) -> None:
        """See `Observer`."""

    def looked(self) -> None:
        """See `Observer`."""
