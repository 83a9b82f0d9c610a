"""What the clock decided in a run: kept with it, and handed on to a run that goes on or repeats it.

How far a budget reaches and how long a search takes differ from machine to machine and from day to day. Where that
changes what a run does, it asks here: what is known already is not measured anew, so the same run goes the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from retrieval.catalog.experiments import ExperimentRecord, Experiments
from search_core.clock import Clock
from search_core.proof.reasons import Reason, ReasonCode

TIMED = "timed"  # in a result: all that the clock decided; in a stored request: what holds where the run goes on
NUMBERS, TOO_SLOW, ENDED = "numbers", "too_slow", "ended"
ENCODER_STEPS = "steps of encoders"  # of the longest training
ADAPTER_QUESTIONS = "questions of adapter {}"  # in `fit`, of a training in full


class TimeDecisions:
    """Those of one run. `known`: what an earlier attempt, or the run that this one repeats, decided.

    `keep` is told whatever a run that goes on is bound by: its logged trials stand on it. That the time was over is
    not: it gets more.
    """

    def __init__(self, clock: Clock, known: Mapping[str, Any], keep: Callable[[Mapping[str, Any]], None]) -> None:
        self._clock = clock
        self._keep = keep
        self._kept = {kind: dict(made) for kind, made in known.items()}
        self._made = {kind: dict(known.get(kind, {})) for kind in (NUMBERS, TOO_SLOW, ENDED)}
        self._ends: Mapping[str, int] | None = known.get(ENDED)  # None: this run repeats no other
        self._asked: Counter[str] = Counter()

    @classmethod
    def of(
        cls, clock: Clock, known: Mapping[str, Any], experiments: Experiments, record: ExperimentRecord
    ) -> TimeDecisions:
        """Those of a run, kept with its experiment."""
        return cls(clock, known, lambda made: experiments.note(record.id, {TIMED: made}))

    def number(self, what: str, measure: Callable[[], int | None]) -> int | None:
        """How many of them fit into the time; None where too few do."""
        made = self._made[NUMBERS]
        if what not in made:
            made[what] = measure()
            if made[what] is not None:
                self._hand_on(NUMBERS, what, made[what])
        found: int | None = made[what]
        return found

    def too_slow(self, what: str, measure: Callable[[], tuple[Reason, ...]]) -> tuple[Reason, ...]:
        """Why a candidate is given up for its time; empty where it is not. `what` names it by all that it is."""
        made = self._made[TOO_SLOW]
        if what not in made:
            made[what] = [[reason.code.value, str(reason)] for reason in measure()]
            self._hand_on(TOO_SLOW, what, made[what])
        return tuple(Reason(ReasonCode(code), sentence) for code, sentence in made[what])

    def is_over(self, share: float, needed: float = 0.0) -> bool:
        """Whether no more than the `needed` seconds are left of the budget's share, or the run was stopped.

        Asked before each trial of a tier, which the share stands for: a run that repeats another ends its tiers after
        as many of these questions as that one, and not by its own clock.
        """
        tier = f"{share:.4f}"
        self._asked[tier] += 1
        if self._ends is None:
            over = self._clock.left(share) <= needed
        else:
            over = self._clock.is_stopped or self._asked[tier] >= self._ends.get(tier, inf)
        if over:
            self._made[ENDED].setdefault(tier, self._asked[tier])
        return over

    def to_dict(self) -> dict[str, Any]:
        """All of them as plain values for JSON, for `known` of a run that repeats this one."""
        return {kind: dict(made) for kind, made in self._made.items()}

    def _hand_on(self, kind: str, what: str, value: Any) -> None:
        self._kept.setdefault(kind, {})[what] = value
        self._keep(self._kept)
