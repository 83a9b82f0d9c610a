from __future__ import annotations

import numpy as np

from retrieval.metrics import randomisation_test
from search_core.gate import Latency, judge


def test_what_changes_nothing_is_never_better() -> None:
    values = np.random.default_rng(0).random(200)
    verdict = judge(values, values.copy(), [("english",)] * 200, seed=0)
    assert (verdict.lift, verdict.p_value, verdict.passes) == (0.0, 1.0, False)


def test_a_clear_gain_passes_and_its_p_value_is_the_tests() -> None:
    generator = np.random.default_rng(1)
    before = generator.random(200) * 0.5
    after = before + generator.normal(0.1, 0.1, 200)
    verdict = judge(before, after, [()] * 200, seed=3)
    assert verdict.passes
    assert verdict.low < verdict.lift < verdict.high
    assert verdict.p_value == randomisation_test(after, before, seed=3)


def test_chance_passes_about_as_often_as_the_level_says() -> None:
    generator = np.random.default_rng(2)
    passed = 0
    for seed in range(40):
        before = generator.random(60)
        passed += judge(before, before + generator.normal(0, 0.2, 60), [()] * 60, seed=seed).passes
    assert passed <= 5  # one side of a 5 % test: one of 40 is expected


def test_a_kind_of_question_that_becomes_worse_stops_a_gain() -> None:
    kinds = [("english",)] * 150 + [("chinese",)] * 50
    before = np.full(200, 0.5)
    after = before + np.concatenate((np.linspace(0.1, 0.3, 150), np.linspace(-0.2, -0.1, 50)))
    verdict = judge(before, after, kinds, seed=0)
    assert verdict.lift > 0
    assert [reason for reason in verdict.reasons if "chinese" in reason]


def test_a_slow_plan_does_not_serve() -> None:
    before, after = np.zeros(50), np.linspace(0.5, 1, 50)
    assert judge(before, after, [()] * 50, seed=0, latency=Latency(2.0, 2.5)).passes
    assert "times as long" in judge(before, after, [()] * 50, seed=0, latency=Latency(2.0, 2.8)).reasons[0]
    assert "at most 2" in judge(before, after, [()] * 50, seed=0, latency=Latency(2.0, 2.5), bound_ms=2.0).reasons[0]
