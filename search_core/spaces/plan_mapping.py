"""From an architecture's choices to the Plan that serves, and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from retrieval.plan import Plan
from search_core.spaces.architecture import Architecture
from search_core.spaces.decision import Decision, Tier
from search_core.spaces.scalar import Scalar, same
from search_core.spaces.space import SearchSpace
from search_core.spaces.space_file import open_space

NONE = "none"
OPTIONAL = ("adapter", "rerank")  # fields of a plan that may be left out
_PLAN_FIELDS = {field.name for field in fields(Plan)}


def plan_of(architecture: Architecture, base: Plan, space: SearchSpace | None = None) -> Plan:
    """The plan of these choices; what no decision is about, such as hits returned, stays as in `base`.

    `space` where it is not registered.
    """
    choices = {name: value for name, value in plan_choices(architecture, space).items() if name in _PLAN_FIELDS}
    choices |= {name: None for name in OPTIONAL if choices.get(name) == NONE}
    kept = {
        "top": base.top,
        "rerank": None if base.rerank is None else asdict(base.rerank),
        "ranker": base.ranker,
        "precedents": None if base.precedents is None else asdict(base.precedents),
        "answer": None if base.answer is None else base.answer.to_dict(),
    }
    return Plan.from_dict(kept | choices)


def plan_choices(architecture: Architecture, space: SearchSpace | None = None) -> dict[str, object]:
    """The choices that are fields of a retrieval Plan; `space` where it is not registered.

    `diffusion.edges` and its kin come back as `{"diffusion": {"edges": ...}}`, or as `{"diffusion": None}` where the
    first of them is "none". Decisions that are not asked are left out: the plan's own default stands.
    """
    space = space or open_space(architecture.space)
    found: dict[str, object] = {}
    for decision in space.decisions:
        if decision.tier is Tier.PLAN and decision.name in architecture.as_dict():
            _place(found, decision.name, architecture[decision.name])
    return found


def architecture_of(plan: Plan, space: SearchSpace) -> Architecture:
    """The architecture nearest to a plan: a number that the space lacks becomes the next one that it has."""
    values = _flat(json.loads(plan.to_json()))  # plain text where the plan has enumerations
    choices: dict[str, Scalar] = {}
    for decision in space.decisions:
        if decision.tier is Tier.PLAN and decision.name in values:
            choices[decision.name] = _nearest(decision, values[decision.name])
    return space.complete(choices)


def plan_space(space: SearchSpace) -> SearchSpace:
    """The plan tier alone, without what the plan of this release cannot say."""
    held: dict[str, Scalar] = {}
    for decision in space.decisions:
        is_trained = decision.name == "adapter"  # is fitted when the rest is chosen
        if decision.tier is Tier.PLAN and (is_trained or decision.name.partition(".")[0] not in _PLAN_FIELDS):
            held[decision.name] = decision.default
    return space.only(Tier.PLAN).held(held)


def deepest(base: Plan, space: SearchSpace | None = None) -> int:
    """The most candidates that `base`, or a plan of the space, asks of a leg."""
    names = ("sparse_depth", "dense_depth")
    decisions = () if space is None else space.decisions
    chosen = [value for one in decisions if one.name in names for value in one.values if isinstance(value, int)]
    return max(base.sparse_depth, base.dense_depth, *chosen)


def changes(one: Architecture, other: Architecture) -> int:
    """In how many decisions two architectures differ."""
    ours, theirs = one.as_dict(), other.as_dict()
    names = set(ours) | set(theirs)
    return sum(name not in ours or name not in theirs or not same(ours[name], theirs[name]) for name in names)


def _place(found: dict[str, object], name: str, value: Scalar) -> None:
    group, dot, member = name.partition(".")
    if not dot:
        found[name] = value
        return
    inside = found.setdefault(group, None if value == "none" else {})
    if isinstance(inside, dict):
        inside[member] = value


def _nearest(decision: Decision, value: Any) -> Scalar:
    known = decision.values
    for candidate in known:
        if same(candidate, value):
            return candidate
    numbers = [one for one in known if isinstance(one, int | float) and not isinstance(one, bool)]
    if numbers and isinstance(value, int | float):
        return min(numbers, key=lambda one: abs(one - value))
    return decision.default


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": below for inner, below in value.items()}
        else:
            flat[name] = value
    return flat
