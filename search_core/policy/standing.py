"""Whether a learned policy still earns its place: its picks against random draws, its forecasts against results.

Rewards of different runs do not compare, those of one run do. So a pick is compared with the draws of its own run, and
runs add up: where one run is too short to tell, those of an archive are counted first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from search_core.policy.contract import DRAW, PICK, Trial

WINDOW = 24  # newest picks and forecasts that count
MIN_PICKS, MIN_DRAWS = 8, 4  # before that many, in runs that have both, nothing is concluded
EVEN = 0.5  # a pick that beats a random draw in no more than this share of pairs does not win
FORESIGHT = 0.3  # rank correlation of forecasts with results from which on the policy leads again

Forecast = tuple[int, float, float]  # of a run, what was expected of a trial, and what came of it


@dataclass(slots=True)
class _Tally:
    """Picks that have draws beside them in their run, those draws, and the pairs that the picks win."""

    picks: int = 0
    draws: int = 0
    runs: set[int] = field(default_factory=set)
    pairs: int = 0
    won: float = 0.0  # ties count half


class Standing:
    """Counts picks against random draws made in the same run; says when to step back, and when to lead again."""

    def __init__(self) -> None:
        self._run = 0
        self._picks: deque[tuple[int, float]] = deque(maxlen=WINDOW)
        self._draws: dict[int, list[float]] = {}
        self._forecasts: deque[Forecast] = deque(maxlen=WINDOW)
        self.steps_back = False
        self.changes = 0

    @classmethod
    def over(cls, runs: Iterable[Sequence[Trial]]) -> Standing:
        """As it is after these runs, the oldest first; what comes next is of a new run."""
        standing = cls()
        for trials in runs:
            for trial in _first_looks(trials):
                standing.count(trial.origin, trial.reward, trial.forecast)
            standing.review()
            standing._run += 1
        return standing

    def count(self, origin: str, reward: float, forecast: float | None = None) -> None:
        """A trial of this run came back; `forecast`: what was expected of it, if anything was."""
        if origin == DRAW:
            self._draws.setdefault(self._run, []).append(reward)
        elif origin == PICK:
            self._picks.append((self._run, reward))
        if forecast is not None:
            self._forecasts.append((self._run, forecast, reward))

    def review(self) -> bool:
        """Whether the policy steps back now."""
        if not self.steps_back and self.is_known and self.win_rate <= EVEN:
            self.steps_back, self.changes = True, self.changes + 1
            self._forecasts.clear()
        elif self.steps_back and len(self._forecasts) >= MIN_PICKS and self.foresight > FORESIGHT:
            self.steps_back, self.changes = False, self.changes + 1
            self._picks.clear()
        return self.steps_back

    @property
    def is_known(self) -> bool:
        """Whether there are enough of both to conclude anything."""
        tally = self._tally()
        return tally.picks >= MIN_PICKS and tally.draws >= MIN_DRAWS

    @property
    def win_rate(self) -> float:
        """The share of pairs in which a pick beats a random draw of its run, ties counting half; a half without any."""
        tally = self._tally()
        return tally.won / tally.pairs if tally.pairs else EVEN

    @property
    def foresight(self) -> float:
        """The rank correlation (Spearman's) of forecasts with results, -1 to 1, as the mean over runs by their trials.

        It is 0 in a run where either does not vary.
        """
        if len(self._forecasts) < 2:
            return 0.0
        runs, forecasts, rewards = np.array(self._forecasts).T
        total = sum(
            int((runs == run).sum()) * _correlation(forecasts[runs == run], rewards[runs == run])
            for run in np.unique(runs)
        )
        return total / len(self._forecasts)

    def _tally(self) -> _Tally:
        tally = _Tally()
        for run, reward in self._picks:
            draws = self._draws.get(run, [])
            if draws:
                tally.picks += 1
                tally.draws += 0 if run in tally.runs else len(draws)
                tally.runs.add(run)
                tally.pairs += len(draws)
                tally.won += float((np.sign(reward - np.array(draws)) + 1).sum() / 2)
        return tally

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a report."""
        tally = self._tally()
        return {
            "steps_back": self.steps_back,
            "changes": self.changes,
            "win_rate": round(self.win_rate, 3),
            "foresight": round(self.foresight, 3),
            "picks": tally.picks,
            "draws": tally.draws,
            "runs": len(tally.runs),
        }


def _first_looks(trials: Sequence[Trial]) -> list[Trial]:
    """Of each architecture the trial of lowest fidelity: only these were all run for as long as each other."""
    found: dict[str, Trial] = {}
    for trial in trials:
        known = found.get(trial.architecture.digest)
        if not trial.failed and (known is None or trial.fidelity < known.fidelity):
            found[trial.architecture.digest] = trial
    return list(found.values())


def _correlation(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: np.ndarray[Any, Any] = (ends - (counts + 1) / 2)[places]
    return shared
