"""The plan tier: candidates are scored from both legs' cached answers, so a trial costs milliseconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.plan import Plan
from search_core.clock import Clock
from search_core.corpus.legs import CachedLegs, Values
from search_core.log.experiment_log import ExperimentLog
from search_core.policy.contract import Policy, Trial
from search_core.questions.evidence import Evidence
from search_core.spaces.architecture import Architecture

CANDIDATES_PER_EPOCH = 8  # asked of the policy at once
SCREENING = 100  # questions of a first look; the rest is asked where a candidate might be the best
HOPE = 1.0  # standard errors: how far below the best a first look may end for a second one

PlanOf = Callable[[Architecture], Plan]
Progress = Callable[[dict[str, Any]], None]
IsOver = Callable[[], bool]


def untried(clock: Clock) -> str:
    """Why a run has no trial."""
    if clock.is_stopped:
        return "the run was stopped before its first trial; nothing was compared"
    return (
        "no trial fitted into the time, which asking the questions took up, and what is kept to prove a plan by; "
        "nothing was compared: give it more time, or fewer questions"
    )


@dataclass(frozen=True, slots=True)
class Scored:
    """A plan that was scored on all working questions; `values` has one number each."""

    architecture: Architecture
    plan: Plan
    values: Values

    @property
    def mean(self) -> float:
        """The reward."""
        return float(self.values.mean())


class PlanTier:
    """Scores candidates and remembers the best. One object, one run."""

    def __init__(self, legs: CachedLegs, plan_of: PlanOf, metric: str, log: ExperimentLog, policy_name: str) -> None:
        self.scored: dict[str, Scored] = {}  # by the plan's digest
        self.trials = 0
        self._legs = legs
        self._plan_of = plan_of
        self._metric = metric
        self._log = log
        self._policy_name = policy_name
        count = len(legs.questions)
        spread = np.linspace(0, count - 1, min(SCREENING, count)).astype(int)
        self._screening = legs.only(spread.tolist()) if count > SCREENING else legs
        self._fidelity = len(self._screening.questions) / count
        self._seen: dict[str, float] = {}  # screened plan -> reward
        self._best_screened: Values | None = None

    @property
    def questions(self) -> tuple[EvalQuery, ...]:
        """Those that `values` are of."""
        return self._legs.questions

    @property
    def best(self) -> Scored:
        """The highest mean of those that were scored on all questions."""
        return max(self.scored.values(), key=lambda one: (one.mean, one.plan.digest))

    def add(self, architecture: Architecture, plan: Plan) -> Scored:
        """Score a plan that needs no look first: the one that serves, which may lie outside of the space."""
        values = self._screening.score(plan, self._metric)
        self._seen[plan.digest] = float(values.mean())
        self._is_hopeful(values)
        self._score_whole(architecture, plan, values)
        return self.scored[plan.digest]

    def keep_if_alike(self, architecture: Architecture, other: Scored) -> Scored | None:
        """Score a plan that may be the other in other words: what it is, kept, where no question tells them apart."""
        plan = self._plan_of(architecture)
        one = Scored(architecture, plan, self._legs.score(plan, self._metric))
        if not np.array_equal(one.values, other.values):
            return None
        return self.scored.setdefault(one.plan.digest, one)

    def try_all(
        self, architectures: Sequence[Architecture], clock: Clock, is_over: IsOver, progress: Progress, least: int = 0
    ) -> None:
        """Score these in order, until the tier's time is over; the first `least` of them in any case."""
        for number, architecture in enumerate(architectures):
            if number >= least and is_over():
                return
            self._try(architecture, clock, progress)

    def search(self, policy: Policy, epochs: int, clock: Clock, is_over: IsOver, progress: Progress) -> None:
        """Ask, score and tell for so many epochs, or until the tier's time is over."""
        for _ in range(epochs):
            if is_over():
                return
            asked = policy.ask(CANDIDATES_PER_EPOCH)
            if not asked:
                return  # a grid comes to its end
            trials: list[Trial] = []
            for architecture in asked:
                if is_over():
                    return
                trials.append(self._try(architecture, clock, progress))
            policy.tell(trials)

    def _try(self, architecture: Architecture, clock: Clock, progress: Progress) -> Trial:
        plan = self._plan_of(architecture)
        began, cpu_began = time.perf_counter(), time.thread_time()
        known = self._log.recall(architecture.digest, self._fidelity)
        values = None
        if plan.digest not in self._seen:
            values = self._screening.score(plan, self._metric)
            self._seen[plan.digest] = float(values.mean())
        reward = self._seen[plan.digest]
        if values is not None and self._is_hopeful(values):
            self._score_whole(architecture, plan, values)
        seconds = time.perf_counter() - began
        if known is None:
            known = self._log.append(
                {
                    "tier": "plan",
                    "policy": self._policy_name,
                    "architecture": architecture.to_dict() | {"digest": architecture.digest},
                    "plan": plan.digest,
                    "fidelity": self._fidelity,
                    "reward": reward,
                    "whole": self.scored[plan.digest].mean if plan.digest in self.scored else None,
                    "seconds": round(seconds, 4),
                    "cpu_seconds": round(time.thread_time() - cpu_began, 4),
                }
            )
        self.trials += 1
        progress({"tier": "plan", "trial": known["number"], "best": self.best.mean, "left": clock.left()})
        return Trial(architecture, reward, float(known["cpu_seconds"]), self._fidelity)

    def _is_hopeful(self, values: Values) -> bool:
        """Whether a first look does not rule out that this is the best; then its values are what others must reach."""
        best = self._best_screened
        if best is None or values.mean() > best.mean():
            self._best_screened = values
            return True
        difference = values - best
        error = float(difference.std(ddof=1)) / len(difference) ** 0.5 if len(difference) > 1 else 0.0
        return float(difference.mean()) > -HOPE * error

    def _score_whole(self, architecture: Architecture, plan: Plan, screened: Values) -> None:
        values = screened if self._screening is self._legs else self._legs.score(plan, self._metric)
        self.scored[plan.digest] = Scored(architecture, plan, values)


def choose(
    scored: Sequence[Scored], incumbent: Scored, distance: Callable[[Scored], float], questions: Sequence[EvalQuery]
) -> Scored:
    """Of all within one standard error of the best, the one nearest to the incumbent (the one-standard-error rule).

    The argmax of many noisy means is too good to be true (Breiman et al. 1984, 3.4.3). What replaces the incumbent is
    better than it by a standard error itself, which is not said by being as good as the best: a plan that ranks quite
    otherwise is as good within a large error, and may be no better than the incumbent. `questions`: those that were
    asked; in the error what is asked several times counts once, and what one document answers stands together.
    """
    evidence = Evidence.of(questions)
    best = max(scored, key=lambda one: (one.mean, one.plan.digest))
    if not evidence.is_worse(incumbent.values, best.values):
        return incumbent
    alike = [
        one
        for one in scored
        if not evidence.is_worse(one.values, best.values) and evidence.is_worse(incumbent.values, one.values)
    ]
    return min(alike, key=lambda one: (distance(one), -one.mean, one.plan.digest))
