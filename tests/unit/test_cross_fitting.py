"""Whether a tier keeps what it learned: neither for a plan that was lucky, nor for one that is better without it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.plan import Plan
from search_core.candidate import is_better
from search_core.corpus.legs import Values
from search_core.spaces.architecture import Architecture
from search_core.stages.cross_fitting import compare_learned, cross_fitted, crossed_option, folds_of
from search_core.stages.plan_choice import PlanChoice
from search_core.stages.plan_tier import Scored

QUESTIONS, PLANS = 60, 40
CHOOSE = tuple(range(100, 100 + QUESTIONS))  # places, after those of `fit`
WORLD: Any = SimpleNamespace(split=SimpleNamespace(choose=CHOOSE), spec=SimpleNamespace(metric="ndcg@10"))
LEGS: Any = SimpleNamespace(
    questions=[EvalQuery(f"q{at}", f"question {at}", {f"d{at // 2}": 1}) for at in range(100 + QUESTIONS)]
)
ASKED = [LEGS.questions[place] for place in CHOOSE]
SERVING = Plan()
OTHERS = [Plan(dense_weight=0.001 * at) for at in range(1, PLANS)]


@dataclass
class Tabled:
    """A candidate whose worth under each plan is a table's."""

    table: dict[str, Values]
    plan: Plan = SERVING
    crossed: Values | None = None
    legs: Any = field(default_factory=lambda: LEGS)

    def under(self, plan: Plan) -> Tabled:
        return replace(self, plan=plan, crossed=None)

    def values(self, places: tuple[int, ...], metric: str) -> Values:
        return self.table[self.plan.digest][[place - 100 for place in places]]


def tabled(seed: int, better: float = 0.0, plan: Plan | None = None) -> dict[str, Values]:
    """By plan: noise of its own about what is equally good; `better` on top, of one plan or of all."""
    noise = np.random.default_rng(seed)
    whole = {one.digest: 0.5 + noise.normal(0, 0.2, QUESTIONS) for one in (SERVING, *OTHERS)}
    return {name: row + better * (plan is None or name == plan.digest) for name, row in whole.items()}


def choice_of(table: dict[str, Values]) -> PlanChoice:
    scored = [Scored(Architecture("x", {"a": at}), one, table[one.digest]) for at, one in enumerate((SERVING, *OTHERS))]
    return PlanChoice(tuple(scored), scored[0], CHOOSE, tuple(ASKED))


def compared(start: dict[str, Values], learned: dict[str, Values]) -> tuple[Values, Values]:
    candidate = Tabled(learned)
    about: Any = (WORLD, Tabled(start), choice_of(learned))
    return compare_learned(*about, lambda fold, plan: candidate.under(plan).values(fold, ""))


def test_a_plan_that_was_lucky_keeps_nothing() -> None:
    """What was learned does nothing. The plan chosen anew looks better where it was chosen, and nowhere else."""
    lucky, kept, gains = 0, 0, []
    for seed in range(40):
        table = tabled(seed)
        chosen = choice_of(table).whole
        lucky += is_better(chosen.values, table[SERVING.digest], ASKED)
        after, before = compared(table, table)
        kept += is_better(after, before, ASKED)
        gains.append(float((after - before).mean()))
    assert lucky > 25
    assert kept < 12  # 16 % of 40 are to be expected of a gain of one standard error
    assert abs(float(np.mean(gains))) < 0.02


def test_a_plan_that_is_better_without_it_is_no_merit_of_what_was_learned() -> None:
    start, learned = tabled(0, 0.3, OTHERS[7]), tabled(0, 0.3, OTHERS[7])
    after, before = compared(start, learned)
    assert after.tolist() == before.tolist() == start[OTHERS[7].digest].tolist()


@pytest.mark.parametrize("plan", [None, OTHERS[3]])
def test_what_is_better_is_kept_under_the_plan_that_suits_it(plan: Plan | None) -> None:
    after, before = compared(tabled(1), tabled(1, 0.3, plan))
    assert is_better(after, before, ASKED)
    assert float((after - before).mean()) == pytest.approx(0.3, abs=0.1)


def test_the_start_is_worth_what_others_would_have_chosen() -> None:
    table = tabled(2)
    start = Tabled(table, crossed=np.full(QUESTIONS, 0.9))
    choice = choice_of(table)
    about: Any = (WORLD, start, choice.only([choice.incumbent]))
    _, before = compare_learned(*about, lambda fold, plan: start.under(plan).values(fold, ""))
    assert before.tolist() == [0.9] * QUESTIONS


def test_the_best_of_some_strengths_is_kept_no_more_often_than_one_of_them() -> None:
    """None is any good; the more there are, the better the best of them looks where it is chosen."""
    chance = chosen = 0
    for seed in range(200):
        noise = np.random.default_rng(seed)
        nothing, shared = np.zeros(QUESTIONS), noise.normal(0, 0.1, QUESTIONS)
        options = [shared + noise.normal(0, 0.1, QUESTIONS) for _ in range(4)]
        chosen += is_better(max(options, key=lambda values: float(values.mean())), nothing, ASKED)
        chance += is_better(crossed_option(LEGS, CHOOSE, options), nothing, ASKED)
    assert chosen > 60 and chance < 50  # 32 of 200 are expected of one of them
    good = np.full(QUESTIONS, 0.1)
    assert crossed_option(LEGS, CHOOSE, [nothing, good]).tolist() == good.tolist()


def test_no_fold_is_judged_by_what_it_chose_and_documents_are_in_one() -> None:
    folds = folds_of(LEGS, CHOOSE)
    assert sorted(place for fold in folds for place in fold) == list(CHOOSE)
    assert len(folds) == 5 and all(place ^ 1 in fold for fold in folds for place in fold)
    assert cross_fitted(LEGS, CHOOSE, lambda fold: np.array(fold, float)).tolist() == list(map(float, CHOOSE))
    table = tabled(3)
    for fold in folds:
        without = choice_of({name: row.copy() for name, row in table.items()}).without(fold)
        spoilt = {name: row.copy() for name, row in table.items()}
        for at, row in enumerate(spoilt.values()):
            row[[place - 100 for place in fold]] = at  # whatever the fold says
        assert choice_of(spoilt).without(fold).plan == without.plan
    assert choice_of(table).without(CHOOSE).plan == SERVING
