"""From many candidates to the one that goes before the sealed questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retrieval.plan import DEFAULT_PLAN, Plan
from search_core.architecture import Architecture
from search_core.conditions import Conditions
from search_core.plan_mapping import architecture_of, changes, plan_of, plan_space
from search_core.plan_tier import PlanTier, Progress, Scored, choose
from search_core.policy import POLICIES
from search_core.space import SearchSpace

PLAN_SHARE = 0.7  # of the budget, at most, for the search over plans
SHOWN = 10  # rows of the leaderboard


@dataclass(frozen=True, slots=True)
class Finalist:
    """The candidate, and who came after it on the working questions."""

    architecture: Architecture
    plan: Plan
    leaderboard: tuple[Mapping[str, Any], ...]
    policy: Mapping[str, Any]  # its report


def find_finalist(conditions: Conditions, progress: Progress) -> Finalist:
    """Sweep the plan tier: what serves and a portfolio of known good plans first, then what the policy asks for."""
    request, clock = conditions.request, conditions.clock
    space = plan_space(conditions.space)
    working = conditions.legs.only(sorted((*conditions.split.fit, *conditions.split.choose)))
    tier = PlanTier(
        working,
        lambda architecture: plan_of(architecture, conditions.incumbent),
        conditions.spec.metric,
        conditions.log,
        request.policy,
    )
    incumbent = tier.add(architecture_of(conditions.incumbent, space), conditions.incumbent)
    tier.try_all(portfolio(space), clock, PLAN_SHARE, progress)
    policy = POLICIES.create(request.policy, space, request.seed)
    tier.search(policy, request.max_epochs, clock, PLAN_SHARE, progress)
    scored = list(tier.scored.values())
    chosen = choose(scored, incumbent, lambda one: changes(one.architecture, incumbent.architecture))
    return Finalist(chosen.architecture, chosen.plan, _leaderboard(scored, chosen), policy.report())


def portfolio(space: SearchSpace) -> list[Architecture]:
    """Plans that are good somewhere: each leg alone, reciprocal ranks, weights from words to vectors, no feedback."""
    rows: list[dict[str, Any]] = [
        {},
        {"fusion": "sparse"},
        {"fusion": "dense"},
        {"fusion": "rrf", "dense_weight": 0.5},
        {"feedback": 0.0},
        *({"dense_weight": weight} for weight in (0.3, 0.5, 0.9)),
        *({"dense_weight": weight, "feedback": 0.0, "normalisation": "min-max"} for weight in (0.3, 0.5, 0.7)),
        {"sparse_depth": 200, "dense_depth": 200, "feedback": 0.3},
    ]
    known = {decision.name: decision for decision in space.decisions}
    return [
        space.complete({name: value for name, value in row.items() if name in known and value in known[name].values})
        for row in rows
    ]


def _leaderboard(scored: list[Scored], chosen: Scored) -> tuple[Mapping[str, Any], ...]:
    best = sorted(scored, key=lambda one: (-one.mean, one.plan.digest))[:SHOWN]
    rows = best if chosen in best else [*best, chosen]
    return tuple(
        {
            "plan": one.plan.digest,
            "mean": round(one.mean, 5),
            "chosen": one is chosen,
            "default": one.plan == DEFAULT_PLAN,
            "architecture": one.architecture.to_dict() | {"digest": one.architecture.digest},
        }
        for one in rows
    )
