"""Successive halving for tiers whose trials are dear: many for a short while, few of them longer, one in full.

(Jamieson and Talwalkar 2016; ASHA, Li et al. 2020.) The policy is asked for the many and told of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from search_core.clock import Clock
from search_core.policy.contract import Policy, Trial
from search_core.spaces.architecture import Architecture

AT_ONCE = 3  # architectures asked of the policy before it is told of them

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Rung:
    """How many architectures are run, and which share of the whole training each gets."""

    count: int
    fidelity: float


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Made]):
    """A trial with what it made; `made` is None where it failed."""

    trial: Trial
    made: Made | None


Run = Callable[[Architecture, Rung], Outcome[Made] | None]  # None: the run was stopped in the midst of it


def halve(
    policy: Policy, rungs: Sequence[Rung], run: Run[Made], clock: Clock, share: float, *, keeps_time: bool = False
) -> list[tuple[Rung, list[Outcome[Made]]]]:
    """The outcomes of each rung, the best first. Ends early, in the midst of a rung, where the time does.

    A trial is begun only where the slowest one so far, at this fidelity, would fit in what is left; where trials keep
    the time themselves (`keeps_time`), wherever any is left.
    """
    pace = _Pace(clock, share, keeps_time)
    done: list[tuple[Rung, list[Outcome[Made]]]] = []
    asked: list[Architecture] = []
    for rung in rungs:
        if done:
            asked = [outcome.trial.architecture for outcome in done[-1][1] if outcome.made is not None][: rung.count]
            outcomes = _rung(asked, rung, run, pace)
            policy.tell([outcome.trial for outcome in outcomes])
        else:
            outcomes = _first(policy, rung, run, pace)
        if not outcomes:
            break
        done.append((rung, sorted(outcomes, key=lambda one: (one.trial.failed, -one.trial.reward))))
    return done


def _first(policy: Policy, rung: Rung, run: Run[Made], pace: _Pace) -> list[Outcome[Made]]:
    outcomes: list[Outcome[Made]] = []
    while len(outcomes) < rung.count and pace.allows(rung):
        asked = policy.ask(min(AT_ONCE, rung.count - len(outcomes)))
        if not asked:
            break
        fresh = _rung(asked, rung, run, pace)
        policy.tell([outcome.trial for outcome in fresh])
        outcomes += fresh
    return outcomes


def _rung(asked: Sequence[Architecture], rung: Rung, run: Run[Made], pace: _Pace) -> list[Outcome[Made]]:
    outcomes: list[Outcome[Made]] = []
    for architecture in asked:
        if not pace.allows(rung):
            break
        began = pace.clock.seconds
        outcome = run(architecture, rung)
        if outcome is None:
            break
        outcomes.append(outcome)
        pace.took(rung, pace.clock.seconds - began)
    return outcomes


class _Pace:
    """Foretells from the trials so far how long one takes."""

    def __init__(self, clock: Clock, share: float, keeps_time: bool) -> None:
        self.clock = clock
        self._keeps_time = keeps_time
        self._share = share
        self._slowest = 0.0  # seconds of a trial in full

    def took(self, rung: Rung, seconds: float) -> None:
        self._slowest = max(self._slowest, seconds / rung.fidelity)

    def allows(self, rung: Rung) -> bool:
        left = self.clock.left(self._share)
        return left > 0 and (self._keeps_time or self._slowest * rung.fidelity <= left)
