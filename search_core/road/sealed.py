"""What each stage is worth on the sealed questions: for the report alone, after the finalist has been chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from retrieval.metrics import bootstrap_interval, randomisation_test
from retrieval.plan import DEFAULT_PLAN, FusionMethod
from search_core.conditions import Conditions
from search_core.finalist import Finalist
from search_core.legs import CachedLegs, Values
from search_core.repeats import groups_of, once

ALONE = {  # one leg, without the other
    name: replace(DEFAULT_PLAN, fusion=FusionMethod(name), diffusion=None) for name in ("sparse", "dense")
}


def stages_on_sealed(conditions: Conditions, finalist: Finalist) -> list[dict[str, Any]]:
    """Each stage's report with its best's mean, also of what was not kept, beside the default plan's.

    `legs`: what each leg is worth without the other, and was before.
    """
    metric, sealed = conditions.spec.metric, conditions.split.sealed
    plain = replace(finalist.serving, plan=DEFAULT_PLAN, legs=conditions.legs).values(sealed, metric)
    groups = groups_of([conditions.legs.questions[place].text for place in sealed])
    before = _alone(conditions.legs, sealed, metric)
    rows = []
    for report in finalist.stages:
        row = report.to_dict()
        if report.best is not None:
            row |= _against(plain, report.best.values(sealed, metric), groups, conditions.request.seed)
            row["legs"] = _alone(report.best.legs, sealed, metric)
            row["legs_before"] = before
        rows.append(row)
    return rows


def _alone(legs: CachedLegs, places: tuple[int, ...], metric: str) -> dict[str, float]:
    asked = legs.only(places)
    return {name: round(float(asked.score(plan, metric).mean()), 5) for name, plan in ALONE.items()}


def _against(plain: Values, values: Values, groups: list[list[int]], seed: int) -> dict[str, Any]:
    """Both means of all questions; the difference and its test of what is asked once."""
    whole = {"default_sealed": round(float(plain.mean()), 5), "sealed": round(float(values.mean()), 5)}
    plain, values = once(plain, groups), once(values, groups)
    difference = values - plain
    low, high = bootstrap_interval(difference, seed=seed)
    p_value = randomisation_test(values, plain, seed=seed) if np.any(difference) else 1.0
    return whole | {
        "over_default": [round(float(difference.mean()), 5), round(low, 5), round(high, 5)],
        "p_value": round(p_value, 5),
    }
