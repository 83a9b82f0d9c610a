"""For how many steps encoders are trained: for all that pay, or for as many as the time allows.

Known before the first training begins: the rate falls to nearly nothing at the last step, so a training that the time
cuts off is one that has not settled. A run that goes on, or repeats another, takes the number that was decided then
(`search_core.time_decisions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search_core.errors import BudgetError
from search_core.stages.halving import Rung

MIN_STEPS = 60  # of a training that is worth an embedding of the whole collection
PROBED = 3  # steps that are made to know how long one takes; the first is not counted
RESERVE = 0.9  # of the time: machines are not equally fast all the time


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of one step, and of ranking the pool once."""

    step: float
    ranking: float


def steps_within(seconds: float, pace: Pace, rungs: Sequence[Rung], rankings: int, whole: int) -> int:
    """Steps of the longest training, at most `whole`, so that all rungs and so many rankings fit into the time.

    Each rung's trainings go on from where the rung before left them. Raises `BudgetError` where fewer than
    `MIN_STEPS` fit.
    """
    trained = sum(rung.count * (rung.fidelity - before) for before, rung in _with_before(rungs))
    ranked = rankings + sum(rung.count for rung in rungs)
    steps = int((RESERVE * seconds - ranked * pace.ranking) / (trained * pace.step))
    if steps < min(MIN_STEPS, whole):
        raise BudgetError(
            f"the time suffices for {max(0, steps)} steps of training at {pace.step:.1f} s each, expected at least "
            f"{MIN_STEPS}; give a longer budget, more threads, bf16 (fast) or a GPU (device)"
        )
    return min(steps, whole)


def _with_before(rungs: Sequence[Rung]) -> list[tuple[float, Rung]]:
    return list(zip([0.0, *(rung.fidelity for rung in rungs)], rungs, strict=False))
