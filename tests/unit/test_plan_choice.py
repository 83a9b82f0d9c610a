"""Which of many scored plans is chosen: copies of a question are no evidence, nor more questions about one document."""

from __future__ import annotations

import numpy as np

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.plan import Plan
from search_core.candidate import is_better
from search_core.spaces.architecture import Architecture
from search_core.stages.plan_tier import Scored, choose


def test_a_question_asked_forty_times_moves_no_plan() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 30)
    before = np.full(70, 0.5)
    after = before + np.concatenate([noise - noise.mean(), np.full(40, 0.1)])
    serving = Scored(Architecture("x", {"a": 1}), Plan(), before)
    other = Scored(Architecture("x", {"a": 2}), Plan(feedback=0.0), after)
    copied = [EvalQuery("", text, {}) for text in [f"question {number}" for number in range(30)] + ["the same"] * 40]
    assert choose([serving, other], serving, lambda _: 1.0, copied) is serving
    apart = [EvalQuery("", f"question {number}", {}) for number in range(70)]
    assert choose([serving, other], serving, lambda _: 1.0, apart) is other


def test_questions_about_one_document_move_no_plan_that_one_document_moves() -> None:
    """Twelve documents, each as much better or worse by its five questions: by chance as likely as not."""
    gains = np.random.default_rng(3).normal(0, 0.1, 12)
    gains += 0.025 - gains.mean()  # less than a standard error of twelve documents, more than one of sixty questions
    before = np.full(60, 0.5)
    serving = Scored(Architecture("x", {"a": 1}), Plan(), before)
    other = Scored(Architecture("x", {"a": 2}), Plan(feedback=0.0), before + np.repeat(gains, 5))
    together = [EvalQuery("", f"question {at}", {f"d{at // 5}": 1}) for at in range(60)]
    assert choose([serving, other], serving, lambda _: 1.0, together) is serving
    apart = [EvalQuery("", f"question {at}", {f"d{at}": 1}) for at in range(60)]
    assert choose([serving, other], serving, lambda _: 1.0, apart) is other
    assert not is_better(other.values, serving.values, together)
    assert is_better(other.values, serving.values, apart)


def test_a_plan_that_ranks_otherwise_is_not_chosen_for_being_as_good_as_the_best() -> None:
    draw = np.random.default_rng(5)
    before = np.full(80, 0.5)
    serving = Scored(Architecture("x", {"a": 1}), Plan(), before)
    noise = draw.normal(0, 0.01, 80)
    best = Scored(Architecture("x", {"a": 2}), Plan(feedback=0.0), before + 0.02 + noise - noise.mean())
    noise = draw.normal(0, 0.3, 80)  # a standard error of 0.034: no worse than the best, and no better than what serves
    near = Scored(Architecture("x", {"a": 3}), Plan(adaptive=False), before - 0.001 + noise - noise.mean())
    asked = [EvalQuery("", f"question {at}", {f"d{at}": 1}) for at in range(80)]
    away = {serving.plan: 0.0, near.plan: 1.0, best.plan: 2.0}
    assert choose([serving, best, near], serving, lambda one: away[one.plan], asked) is best
