"""Which of many scored plans is chosen: copies of a question are no evidence."""

from __future__ import annotations

import numpy as np

from retrieval.plan import Plan
from search_core.spaces.architecture import Architecture
from search_core.stages.plan_tier import Scored, choose


def test_a_question_asked_forty_times_moves_no_plan() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 30)
    before = np.full(70, 0.5)
    after = before + np.concatenate([noise - noise.mean(), np.full(40, 0.1)])
    serving = Scored(Architecture("x", {"a": 1}), Plan(), before)
    other = Scored(Architecture("x", {"a": 2}), Plan(feedback=0.0), after)
    texts = [f"question {number}" for number in range(30)] + ["the same"] * 40
    assert choose([serving, other], serving, lambda _: 1.0, texts) is serving
    apart = [f"question {number}" for number in range(70)]
    assert choose([serving, other], serving, lambda _: 1.0, apart) is other
