"""What the clock decided is decided once: for the run itself, one that goes on, and one that repeats it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest

from search_core.clock import Clock
from search_core.log.replaying import timed_of
from search_core.proof.reasons import Reason, ReasonCode
from search_core.time_decisions import ENCODER_STEPS, ENDED, NUMBERS, TIMED, TimeDecisions

SLOW = (Reason(ReasonCode.SLOWER, "searches would take 1.4 times as long"),)


class Kept:
    """What a run that goes on is handed."""

    def __init__(self) -> None:
        self.made: Mapping[str, Any] = {}

    def __call__(self, made: Mapping[str, Any]) -> None:
        self.made = deepcopy(made)


def never() -> Any:
    pytest.fail("it is known, and was measured again")


def replayed(decisions: TimeDecisions, budget: float = 100.0) -> TimeDecisions:
    return TimeDecisions(Clock(budget), decisions.to_dict(), Kept())


def test_what_is_known_is_not_measured_again() -> None:
    kept = Kept()
    first = TimeDecisions(Clock(100.0), {}, kept)
    assert first.number("steps", lambda: 210) == first.number("steps", never) == 210
    assert first.too_slow("plan", lambda: SLOW) == first.too_slow("plan", never) == SLOW
    assert first.too_slow("quick", tuple) == ()
    for again in (replayed(first), TimeDecisions(Clock(100.0), kept.made, Kept())):
        assert again.number("steps", never) == 210
        assert again.too_slow("quick", never) == ()
        [reason] = again.too_slow("plan", never)
        assert (reason, reason.code) == (*SLOW, ReasonCode.SLOWER)


def test_that_time_was_short_binds_a_run_that_repeats_it_but_none_that_goes_on() -> None:
    kept = Kept()
    first = TimeDecisions(Clock(0.0), {}, kept)
    assert first.is_over(0.5) and first.number("steps", lambda: None) is None
    first.number("questions", lambda: 30)
    resumed = TimeDecisions(Clock(100.0), kept.made, Kept())
    assert not resumed.is_over(0.5) and resumed.number("steps", lambda: 99) == 99
    assert resumed.number("questions", never) == 30
    again = replayed(first)
    assert again.is_over(0.5) and again.number("steps", never) is None


def asked_until_over(decisions: TimeDecisions, then: Callable[[], None] = lambda: None) -> int:
    for number in range(10):
        if decisions.is_over(0.5):
            return number
        if number == 3:
            then()
    return 10


@pytest.mark.parametrize("budget", [0.0, 100.0])
def test_a_run_that_repeats_another_ends_its_tiers_where_that_one_did(budget: float) -> None:
    clock = Clock(100.0)
    first = TimeDecisions(clock, {}, Kept())
    assert asked_until_over(first, clock.stop) == 4
    assert asked_until_over(replayed(first, budget)) == 4
    assert asked_until_over(replayed(TimeDecisions(Clock(100.0), {}, Kept()), budget)) == 10, "it had time for all"


def test_a_run_that_repeats_another_is_itself_repeated_and_gone_on_with() -> None:
    clock, kept = Clock(100.0), Kept()
    first = TimeDecisions(clock, {}, Kept())
    asked_until_over(first, clock.stop)
    again = TimeDecisions(Clock(100.0), first.to_dict(), kept)
    again.number("steps", lambda: 60)
    assert asked_until_over(TimeDecisions(Clock(100.0), kept.made, Kept())) == 4
    assert again.to_dict()[ENDED] == first.to_dict()[ENDED]


def test_a_repeated_run_can_be_stopped() -> None:
    clock = Clock(100.0)
    again = TimeDecisions(clock, TimeDecisions(clock, {}, Kept()).to_dict(), Kept())
    assert asked_until_over(again, clock.stop) == 4


def test_a_result_of_an_earlier_version_tells_the_steps_of_encoders() -> None:
    stages = [{"tier": "plan"}, {"tier": "encoder", "steps": 210}]
    assert timed_of({"stages": stages}) == {NUMBERS: {ENCODER_STEPS: 210}}
    assert timed_of({"stages": stages, TIMED: {NUMBERS: {}}}) == {NUMBERS: {}}
    assert timed_of({"stages": stages[:1]}) == timed_of({}) == {}
