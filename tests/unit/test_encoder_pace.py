"""Encoders are trained for as many steps as pay, or as fit into the time."""

from __future__ import annotations

import pytest

from search_core.errors import BudgetError
from search_core.stages.encoder_pace import MIN_STEPS, RESERVE, Pace, steps_within
from search_core.stages.encoder_stage import FEEDBACK_RUNGS, LANGUAGE_RUNGS
from search_core.stages.halving import Rung

PACE = Pace(step=5.0, ranking=20.0)
WHOLE = 400


def seconds_of(steps: int, rungs: tuple[Rung, ...], rankings: int) -> float:
    """What a run takes, added up trial by trial."""
    spent, before = rankings * PACE.ranking, 0.0
    for rung in rungs:
        for _ in range(rung.count):
            spent += (rung.fidelity - before) * steps * PACE.step + PACE.ranking
        before = rung.fidelity
    return spent


def test_with_time_enough_all_steps_that_pay_are_made() -> None:
    assert steps_within(1e6, PACE, LANGUAGE_RUNGS, 4, WHOLE) == WHOLE


@pytest.mark.parametrize("rungs", [LANGUAGE_RUNGS, FEEDBACK_RUNGS])
@pytest.mark.parametrize("seconds", [900.0, 1500.0])
def test_with_less_time_as_many_steps_as_fit(rungs: tuple[Rung, ...], seconds: float) -> None:
    steps = steps_within(seconds, PACE, rungs, 4, WHOLE)
    assert MIN_STEPS <= steps < WHOLE
    assert seconds_of(steps, rungs, 4) <= RESERVE * seconds < seconds_of(steps + 2, rungs, 4)


@pytest.mark.parametrize("seconds", [0.0, 300.0])
def test_too_little_time_says_how_much_it_is(seconds: float) -> None:
    with pytest.raises(BudgetError, match=f"steps of training at 5.0 s each, expected at least {MIN_STEPS}"):
        steps_within(seconds, PACE, LANGUAGE_RUNGS, 4, WHOLE)
