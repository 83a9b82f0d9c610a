"""Which legs of a search cannot be relied on now, and why: noted by followers and searches, read by all."""

from __future__ import annotations

import threading


class Health:
    """Troubles by leg. A leg that is `behind` answers from an older state; one that is `down` does not answer.

    One that stopped is behind until the process starts again.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._behind: dict[str, str] = {}
        self._down: dict[str, str] = {}
        self._stopped: dict[str, str] = {}

    def troubles(self) -> dict[str, str]:
        """Leg -> what is wrong with it; empty when all is well."""
        with self._guard:
            return self._behind | self._down | self._stopped

    def is_down(self, leg: str) -> bool:
        """Whether it is no use to ask the leg now."""
        return leg in self._down

    def falls_behind(self, leg: str, reason: str) -> bool:
        """The leg cannot follow the log; whether that is news."""
        return self._note(self._behind, leg, reason)

    def stops(self, leg: str, reason: str) -> bool:
        """The leg will not follow the log any more; whether that is news."""
        return self._note(self._stopped, leg, reason)

    def goes_down(self, leg: str, reason: str) -> bool:
        """The leg does not answer; whether that is news."""
        return self._note(self._down, leg, reason)

    def answers(self, leg: str) -> None:
        """The leg answers again."""
        with self._guard:
            self._down.pop(leg, None)

    def follows(self, leg: str) -> bool:
        """The leg follows the log again; whether it did not before."""
        with self._guard:
            return self._behind.pop(leg, None) is not None

    def _note(self, troubles: dict[str, str], leg: str, reason: str) -> bool:
        with self._guard:
            is_news = leg not in troubles
            troubles[leg] = reason
            return is_news
