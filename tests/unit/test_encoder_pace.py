"""Encoders are trained for as many steps as pay, or as fit into the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_core.errors import BudgetError
from search_core.log.replaying import steps_of
from search_core.stages.encoder_pace import MIN_STEPS, PLAN_FILE, RESERVE, Pace, steps_within, store_steps, stored_steps
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


def test_what_was_decided_is_known_to_the_next_attempt(tmp_path: Path) -> None:
    assert stored_steps(tmp_path / "trainings") is None
    store_steps(tmp_path / "trainings", 123)
    assert stored_steps(tmp_path / "trainings") == 123
    (tmp_path / "trainings" / PLAN_FILE).write_text("")  # the machine fell
    assert stored_steps(tmp_path / "trainings") is None


def test_a_replay_is_told_as_many_steps() -> None:
    assert steps_of({"stages": [{"tier": "plan"}, {"tier": "encoder", "steps": 210}]}) == 210
    assert steps_of({"stages": [{"tier": "plan"}]}) is None
    assert steps_of({}) is None
