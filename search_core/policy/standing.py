"""Whether a learned policy still earns its place: its picks against random draws, its forecasts against results."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

WINDOW = 24  # newest picks and forecasts that count
MIN_PICKS, MIN_DRAWS = 8, 4  # before that many nothing is concluded
EVEN = 0.5  # a pick that beats a random draw less often than this share of pairs loses
FORESIGHT = 0.3  # rank correlation of forecasts with results from which on the policy leads again


class Standing:
    """Counts picks against random draws made in the same run; says when to step back, and when to lead again."""

    def __init__(self) -> None:
        self._picks: deque[float] = deque(maxlen=WINDOW)
        self._draws: list[float] = []
        self._forecasts: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self.steps_back = False
        self.changes = 0

    def drawn(self, reward: float) -> None:
        """A random draw came back with this reward."""
        self._draws.append(reward)

    def picked(self, reward: float) -> None:
        """A pick of the policy came back with this reward."""
        self._picks.append(reward)

    def foretold(self, forecast: float, reward: float) -> None:
        """What was expected before a trial, and what came of it."""
        self._forecasts.append((forecast, reward))

    def review(self) -> bool:
        """Whether the policy steps back now."""
        if not self.steps_back and self._loses():
            self.steps_back, self.changes = True, self.changes + 1
            self._forecasts.clear()
        elif self.steps_back and len(self._forecasts) >= MIN_PICKS and self.foresight > FORESIGHT:
            self.steps_back, self.changes = False, self.changes + 1
            self._picks.clear()
        return self.steps_back

    def _loses(self) -> bool:
        return len(self._picks) >= MIN_PICKS and len(self._draws) >= MIN_DRAWS and self.win_rate < EVEN

    @property
    def win_rate(self) -> float:
        """The share of pairs in which a pick beats a random draw, ties counting half; a half without any."""
        if not self._picks or not self._draws:
            return EVEN
        differences = np.subtract.outer(np.array(self._picks), np.array(self._draws))
        return float((np.sign(differences) + 1).mean() / 2)

    @property
    def foresight(self) -> float:
        """The rank correlation (Spearman's) of forecasts with results, -1 to 1; 0 where either does not vary."""
        forecasts, rewards = np.array(self._forecasts).reshape(-1, 2).T
        if len(forecasts) < 2 or np.ptp(forecasts) == 0 or np.ptp(rewards) == 0:
            return 0.0
        return float(np.corrcoef(_ranks(forecasts), _ranks(rewards))[0, 1])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a report."""
        return {
            "steps_back": self.steps_back,
            "changes": self.changes,
            "win_rate": round(self.win_rate, 3),
            "foresight": round(self.foresight, 3),
            "picks": len(self._picks),
            "draws": len(self._draws),
        }


def _ranks(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: np.ndarray[tuple[int], np.dtype[np.float64]] = (ends - (counts + 1) / 2)[places]
    return shared
