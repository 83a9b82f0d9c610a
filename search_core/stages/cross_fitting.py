"""What choices are worth on questions that did not make them: each fold is judged by what the other folds choose.

The best of many is too good on the questions that chose it, and the more so the more there were to choose from. By
cross-fitting (Stone 1974) each question is worth what it is worth under the choices that all others but those of its
fold would have made. Choices are made from values that are known already, so this costs hardly more than scoring once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from retrieval.plan import Plan
from search_core.candidate import Candidate
from search_core.conditions import Conditions
from search_core.corpus.legs import CachedLegs, Values
from search_core.questions.splits import document_links, independent_groups
from search_core.stages.plan_choice import PlanChoice

FOLDS = 5

Fold = tuple[int, ...]  # places of questions
Learned = Callable[[Fold, Plan], Values]  # (fold,) with what the other folds choose of what was learned, by this plan


def folds_of(legs: CachedLegs, places: Sequence[int]) -> list[Fold]:
    """The questions in at most `FOLDS` parts; those that one document answers are together."""
    groups = independent_groups(document_links([legs.questions[place] for place in places]))
    folds: list[list[int]] = [[] for _ in range(FOLDS)]
    for group in groups:
        min(folds, key=len).extend(places[row] for row in group)
    return [tuple(fold) for fold in folds if fold]


def cross_fitted(legs: CachedLegs, places: Sequence[int], worth: Callable[[Fold], Values]) -> Values:
    """(places,) of each question what `worth` says (fold,) of its fold, under choices made without the fold."""
    found: dict[int, float] = {}
    for fold in folds_of(legs, places):
        found.update(zip(fold, worth(fold).tolist(), strict=True))
    return np.array([found[place] for place in places], np.float64)


def crossed_option(legs: CachedLegs, places: Sequence[int], options: Sequence[Values]) -> Values:
    """(places,) of each question what the option is worth that is best on the other folds, the first of equals.

    `options`: (places,) what each is worth.
    """
    row = {place: at for at, place in enumerate(places)}

    def worth(fold: Fold) -> Values:
        mine = [row[place] for place in fold]
        best = max(options, key=lambda values: float(np.delete(values, mine).sum()))
        return best[mine]

    return cross_fitted(legs, places, worth)


def crossed_plan(conditions: Conditions, start: Candidate, choice: PlanChoice) -> Values:
    """(choose,) what a plan is worth that the questions of other folds chose, with the models of `start`."""
    metric = conditions.spec.metric

    def worth(fold: Fold) -> Values:
        chosen = choice.without(fold)
        return start.with_plan(chosen.architecture, chosen.plan).values(fold, metric)

    return cross_fitted(start.legs, conditions.split.choose, worth)


def compare_learned(
    conditions: Conditions, start: Candidate, choice: PlanChoice, learned: Learned
) -> tuple[Values, Values]:
    """(choose,) twice: with what a tier learned, and without it. Both sides choose their plans, each on other folds.

    With it: what was learned, as the other folds chose it (`learned`), under the plan that they chose anew with it.
    Without it: the start under its own plan, as the other folds would have chosen that (`Candidate.crossed`), or under
    the plan that was chosen anew, whichever is better on the other folds. So a plan that looks better by chance counts
    for neither side, and one that is better without what was learned is no merit of it.
    """
    choose, metric = conditions.split.choose, conditions.spec.metric
    plain = start.values(choose, metric)
    before = plain.copy() if start.crossed is None else start.crossed.copy()
    row = {place: at for at, place in enumerate(choose)}
    bare = {start.plan.digest: plain}  # by plan: (choose,) the start under it

    def worth(fold: Fold) -> Values:
        plan = choice.without(fold).plan
        same = start.under(plan)
        if same.plan.digest not in bare:
            bare[same.plan.digest] = same.values(choose, metric)
        anew, mine = bare[same.plan.digest], [row[place] for place in fold]
        if np.delete(anew, mine).sum() > np.delete(plain, mine).sum():
            before[mine] = anew[mine]
        return learned(fold, plan)

    after = cross_fitted(start.legs, choose, worth)
    return after, before
