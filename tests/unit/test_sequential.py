"""The sequential tests: against a sum by hand, how often they err when looked at all the time, and what they notice."""

from __future__ import annotations

from datetime import UTC, datetime
from math import comb

import numpy as np
import pytest

from api.rollout.regress import regression
from api.rollout.tally import ANSWER_BUCKETS, of_answer, quantile
from retrieval.catalog.rollouts import RolloutRecord, Stage
from retrieval.evaluation.sequential import e_more_often, e_mostly

LIMIT = 20.0  # of an error of 5 %
RUNS = 400


def test_one_stream_is_the_mixture_over_its_hypothesis() -> None:
    rates = (np.arange(200_000) + 0.5) / 200_000
    density = 1 / (np.pi * np.sqrt(rates * (1 - rates)))
    mixture = float(np.mean(density * rates**9 * (1 - rates) ** 2))
    assert e_mostly(9, 11) == pytest.approx(mixture / 0.5**11, rel=1e-3)
    assert e_mostly(6, 6) == pytest.approx(comb(12, 6) / 4**6 / 0.5**6)


def test_what_is_not_worse_is_no_evidence() -> None:
    assert e_mostly(0, 0) == e_mostly(5, 10) == e_mostly(3, 10) == 1
    assert e_more_often(0, 0, 0, 10) == e_more_often(1, 10, 1, 10) == e_more_often(0, 10, 5, 10) == 1
    assert e_more_often(5, 5, 0, 0) == 1
    assert e_more_often(1_000_000, 1_000_000, 0, 1_000_000) == float("inf")


@pytest.mark.parametrize(("rate", "share"), [(0.5, 0.5), (0.05, 0.1), (0.01, 0.5)])
def test_looked_at_after_every_observation_it_errs_as_seldom_as_it_says(rate: float, share: float) -> None:
    draw = np.random.default_rng(0)
    alarms = 0
    for _ in range(RUNS):
        bad = draw.random(1_000) < rate
        ours = draw.random(1_000) < share
        sums = np.cumsum([bad & ours, ours, bad & ~ours, ~ours], axis=1).T
        alarms += any(e_more_often(*map(float, row)) >= LIMIT for row in sums[::5])
    assert alarms <= 0.05 * RUNS


def test_a_fair_coin_is_seldom_found_false() -> None:
    draw = np.random.default_rng(0)
    alarms = 0
    for _ in range(RUNS):
        heads = np.cumsum(draw.random(1_000) < 0.5)
        alarms += any(e_mostly(float(heads[n]), n + 1.0) >= LIMIT for n in range(0, 1_000, 5))
    assert alarms <= 0.05 * RUNS


@pytest.mark.parametrize(
    ("candidate", "serving", "notices"),
    [((10, 20), (2, 180), True), ((20, 200), (10, 1_800), True), ((30, 1_000), (10, 1_000), False)],
)
def test_what_is_clearly_worse_is_noticed(
    candidate: tuple[float, float], serving: tuple[float, float], notices: bool
) -> None:
    found = e_more_often(*candidate, *serving)
    assert (found > 100) == notices  # 3 % and 1 % of a thousand: not yet


def test_answers_that_take_too_long_take_their_model_back() -> None:
    """The candidate is held to what it may take, what serves to its own usual time."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    options = {"answers": True, "answer_ms": 2_000.0}
    usual = {"p50": 1.0, "p95": 2.0, "answer_p95": 50.0}
    rollout = RolloutRecord(1, 1, 2, None, Stage.CANARY, 0.5, options, usual, "me", "", at, at, None)
    for milliseconds, is_worse in ((1_900.0, False), (2_100.0, True)):
        sums: dict[tuple[str, str], float] = {}
        for arm, time in (("serving", 40.0), ("candidate", milliseconds)):
            for _ in range(60):
                for key, value in of_answer(rollout, arm, time, False).items():
                    sums[key] = sums.get(key, 0.0) + value
        assert ("took too long" in regression(Stage.CANARY, sums, answers=True)) is is_worse
        assert regression(Stage.CANARY, sums) == ""
        assert quantile(sums, "serving", 0.5, ANSWER_BUCKETS) == pytest.approx(40, rel=0.1)
        assert quantile(sums, "serving", 0.5) is None
