"""What the controller learns from: this run's trials and those of earlier runs, rewards in deviations of their run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from search_core.errors import ArchitectureError, PolicyError
from search_core.policy.contract import Briefing, Trial
from search_core.policy.encoding import SpaceTensors
from search_core.spaces.space import SearchSpace
from search_core.thinning import thinned

MAX_PER_RUN = 400  # trials kept of one earlier run: every n-th by rank, so that good and bad stay
MIN_PER_RUN = 4  # fewer have no spread to speak of


@dataclass(frozen=True, slots=True)
class Lessons:
    """Complete architectures as node states (b × n), their runs' profiles (b × p), rewards (b) and weights (b)."""

    states: Tensor
    profiles: Tensor
    rewards: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.rewards)

    def at(self, rows: Tensor) -> Lessons:
        """Some of them."""
        return Lessons(self.states[rows], self.profiles[rows], self.rewards[rows], self.weights[rows])

    def with_(self, other: Lessons) -> Lessons:
        """These and those."""
        pairs = zip(self._columns(), other._columns(), strict=True)
        return Lessons(*(torch.cat(pair) for pair in pairs))

    def _columns(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.states, self.profiles, self.rewards, self.weights


def deviations(rewards: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation; 1 for the latter where rewards do not differ."""
    spread = statistics.pstdev(rewards) if len(rewards) > 1 else 0.0
    return (statistics.fmean(rewards) if rewards else 0.0), spread or 1.0


def lessons(trials: Sequence[Trial], tensors: SpaceTensors, profile: Tensor) -> Lessons:
    """The trials of one run; a trial weighs as much as its fidelity."""
    mean, spread = deviations([trial.reward for trial in trials])
    return Lessons(
        tensors.states([trial.architecture for trial in trials]),
        profile.expand(len(trials), -1),
        torch.tensor([(trial.reward - mean) / spread for trial in trials], dtype=torch.float32),
        torch.tensor([trial.fidelity for trial in trials], dtype=torch.float32),
    )


def earlier_lessons(briefing: Briefing, tensors: SpaceTensors) -> Lessons:
    """The trials of all earlier runs that this space allows. Raises `PolicyError` when profiles differ in length."""
    none = lessons([], tensors, profile_tensor(briefing.profile))
    for run in briefing.earlier:
        if len(run.profile) != len(briefing.profile):
            raise PolicyError(
                f"an earlier run has a profile of {len(run.profile)} numbers, this one of {len(briefing.profile)}; "
                "expected the same encoder for all: leave out runs of another"
            )
        usable = [trial for trial in run.trials if not trial.failed and _allowed(tensors.space, trial)]
        if len(usable) >= MIN_PER_RUN:
            none = none.with_(lessons(_thinned(usable), tensors, profile_tensor(run.profile)))
    return none


def profile_tensor(profile: Sequence[float]) -> Tensor:
    """One row; a single 0 where nothing is known."""
    return torch.tensor([list(profile) or [0.0]], dtype=torch.float32)


def _thinned(trials: list[Trial]) -> list[Trial]:
    ranked = sorted(trials, key=lambda trial: trial.reward)
    return list(thinned(ranked[::-1], MAX_PER_RUN))


def _allowed(space: SearchSpace, trial: Trial) -> bool:
    try:
        space.check(trial.architecture)
    except ArchitectureError:  # of another space, or of a tier that is held in this run
        return False
    return True
