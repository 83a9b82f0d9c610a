"""What each stage is worth on the sealed questions: for the report alone, after the finalist has been chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from retrieval.evaluation.metrics import bootstrap_interval, randomisation_test
from retrieval.plan import DEFAULT_PLAN, FusionMethod, Plan
from search_core.conditions import Conditions
from search_core.corpus.legs import CachedLegs, Values, hits_for
from search_core.corpus.snapshot import texts_by_key
from search_core.questions.evidence import Evidence
from search_core.stages.finalist import Finalist

ALONE = {  # one leg, without the other
    name: replace(DEFAULT_PLAN, fusion=FusionMethod(name), diffusion=None) for name in ("sparse", "dense")
}


class SealedScores:
    """Values on the sealed questions, which each plan ranks once whatever is measured, and however often."""

    def __init__(self, conditions: Conditions) -> None:
        self._places = conditions.split.sealed
        self.documents = texts_by_key(conditions.snapshot)  # key -> what it says: copies are one, as in the split
        # The first of each pair is kept, so its id is its own.
        self._legs: dict[int, tuple[CachedLegs, CachedLegs]] = {}
        self._ranked: dict[tuple[int, str, int], list[list[str]]] = {}

    def values(self, legs: CachedLegs, plan: Plan, metric: str) -> Values:
        """(sealed,) what this plan is worth on each of them."""
        _, asked = self._legs.setdefault(id(legs), (legs, legs.only(self._places)))
        key = (id(legs), plan.digest, hits_for(metric))
        if key not in self._ranked:
            self._ranked[key] = asked.ranked(plan, key[2])
        return asked.measured(self._ranked[key], metric)


def stages_on_sealed(conditions: Conditions, finalist: Finalist, scores: SealedScores) -> list[dict[str, Any]]:
    """Each stage's report with its best's mean, also of what was not kept, beside the default plan's.

    `legs`: what each leg is worth without the other, and was before.
    """
    metric, sealed = conditions.spec.metric, conditions.split.sealed
    plain = scores.values(conditions.legs, DEFAULT_PLAN, metric)
    evidence = Evidence.of([conditions.legs.questions[place] for place in sealed], scores.documents)
    before = _alone(scores, conditions.legs, metric)
    rows = []
    for report in finalist.stages:
        row = report.to_dict()
        if report.best is not None:
            row |= _against(
                plain, scores.values(report.best.legs, report.best.plan, metric), evidence, conditions.request.seed
            )
            row["legs"] = _alone(scores, report.best.legs, metric)
            row["legs_before"] = before
        rows.append(row)
    return rows


def _alone(scores: SealedScores, legs: CachedLegs, metric: str) -> dict[str, float]:
    return {name: round(float(scores.values(legs, plan, metric).mean()), 5) for name, plan in ALONE.items()}


def _against(plain: Values, values: Values, evidence: Evidence, seed: int) -> dict[str, Any]:
    """Both means of all questions; the difference and its test as the gate takes them."""
    whole = {"default_sealed": round(float(plain.mean()), 5), "sealed": round(float(values.mean()), 5)}
    plain, values = evidence.once(plain), evidence.once(values)
    difference = values - plain
    low, high = bootstrap_interval(difference, seed=seed, groups=evidence.linked)
    p_value = randomisation_test(values, plain, seed=seed, groups=evidence.linked) if np.any(difference) else 1.0
    return whole | {
        "over_default": [round(float(difference.mean()), 5), round(low, 5), round(high, 5)],
        "p_value": round(p_value, 5),
    }
