"""What a policy has asked and been told: each architecture once, with its most faithful result."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from search_core.policy.contract import Trial
from search_core.spaces.architecture import Architecture

TRIES = 50  # draws for one fresh architecture before a space counts as (nearly) used up


class Book:
    """Remembers what was asked, so that nothing is run twice, and the results told."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._trials: dict[str, Trial] = {}

    def __contains__(self, architecture: Architecture) -> bool:
        return architecture.digest in self._asked

    @property
    def told(self) -> int:
        """How many architectures came back, failed ones included."""
        return len(self._trials)

    @property
    def trials(self) -> list[Trial]:
        """Results that are numbers, oldest architecture first."""
        return [trial for trial in self._trials.values() if not trial.failed]

    @property
    def failures(self) -> int:
        """How many architectures came to no result."""
        return self.told - len(self.trials)

    def best(self, count: int) -> list[Trial]:
        """The best results, the best first; the earlier of equal ones first."""
        return sorted(self.trials, key=lambda trial: -trial.reward)[:count]

    def note(self, architecture: Architecture) -> None:
        """Remember that it was asked."""
        self._asked.add(architecture.digest)

    def add(self, trials: Iterable[Trial]) -> list[Trial]:
        """Keep results, of one architecture the one of highest fidelity; returns those that were kept."""
        kept = []
        for trial in trials:
            digest = trial.architecture.digest
            self._asked.add(digest)
            known = self._trials.get(digest)
            if known is None or trial.fidelity >= known.fidelity:
                self._trials[digest] = trial
                kept.append(trial)
        return kept

    def fresh(self, propose: Callable[[], Architecture]) -> Architecture | None:
        """The first proposal that was not asked before, noted as asked; None when none came in `TRIES` draws."""
        for _ in range(TRIES):
            architecture = propose()
            if architecture not in self:
                self.note(architecture)
                return architecture
        return None
