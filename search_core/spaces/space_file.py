"""Search spaces by name, and as YAML that is read and written; messages name the decision and the field that is wrong.

Built-in spaces are YAML files in `search_core/spaces/`; a third party brings another by a file of its own or by the
entry point group `autoglm_kb.space`. See docs/search-space.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from infra.registry import Registry
from retrieval.plan import Plan
from search_core.errors import SpaceError
from search_core.spaces.decision import NOTHING, Decision, Tier
from search_core.spaces.scalar import Scalar
from search_core.spaces.space import SearchSpace

DEFAULT_FILE = "gnn-lm-v1.yaml"
_FIELDS = {"tier", "values", "default", "summary", "when", "trial_cost", "serving_cost"}
_SPACE_FIELDS = {"name", "extends", "decisions", "extras"}

SPACES: Registry[SearchSpace] = Registry("space")


@cache
def _built_in(file: str) -> SearchSpace:
    return read_space(resources.files("search_core.spaces").joinpath(file).read_text("utf-8"), file)


SPACES.register("gnn-lm-v1", lambda: _built_in(DEFAULT_FILE), "retrieval plan, graph network and encoder")


def open_space(name: str) -> SearchSpace:
    """The space registered under a name, or the one in the YAML file of that path.

    Raises `SpaceError` naming the known ones when it is neither.
    """
    if name in SPACES:
        return SPACES.create(name)
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return read_space(_text(path), path.name)
    known = ", ".join(entry.name for entry in SPACES)
    raise SpaceError(f"search space is {name!r}; expected a registered one ({known}) or a path to a .yaml file")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpaceError(f"search space {path} cannot be read: {error}; expected YAML in UTF-8") from error


def read_space(text: str, origin: str) -> SearchSpace:
    """The space that a YAML text describes; `origin` names it in messages. Raises `SpaceError`."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SpaceError(f"{origin} is not YAML: {error}") from error
    if not isinstance(values, dict) or not isinstance(values.get("decisions"), dict) or "name" not in values:
        raise SpaceError(f"{origin} has no name or no decisions; expected `name: ...` and `decisions: {{name: ...}}`")
    if strange := sorted(set(map(str, values)) - _SPACE_FIELDS):
        raise SpaceError(f"{origin} has unknown field {strange[0]!r}; known: {', '.join(sorted(_SPACE_FIELDS))}")
    decisions = [_decision(str(name), told, origin) for name, told in values["decisions"].items()]
    if parent := values.get("extends"):
        return open_space(str(parent)).extended(str(values["name"]), decisions)
    extras = values.get("extras") or {}
    if not isinstance(extras, dict):
        raise SpaceError(f"{origin}: extras is {extras!r}; expected `extras: {{name: ...}}`")
    return SearchSpace(
        str(values["name"]),
        tuple(decisions),
        tuple(_decision(str(name), told, origin) for name, told in extras.items()),
    )


def stored_space(name: str, text: str) -> SearchSpace:
    """The space that an experiment was begun with: of the text that is stored with it, else the registered one."""
    return _read_once(text, name) if text else open_space(name)


@lru_cache(maxsize=16)
def _read_once(text: str, name: str) -> SearchSpace:
    """A page of trials asks for it once a trial, and reading takes 27 ms."""
    return read_space(text, name)


def text_to_store(name: str) -> str:
    """What tells a space of a file whatever becomes of that file and of those it extends; "" of a registered one.

    Raises `SpaceError` where there is none of that name or path, or where a decision is about nothing that a run reads.
    """
    if name in SPACES:
        return ""
    space = open_space(name)
    _check_names(space, Path(name).name)
    return space_text(space)


def _check_names(space: SearchSpace, origin: str) -> None:
    """A mistyped decision would be held at its default without a word."""
    known = dict.fromkeys((*_names(_built_in(DEFAULT_FILE)), *(field.name for field in fields(Plan))))
    for name in _names(space):
        if name not in known:
            near = get_close_matches(name, known, 1)
            meant = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
            raise SpaceError(f"{origin}: no stage of a run reads decision {name!r}; {meant}")


def _names(space: SearchSpace) -> list[str]:
    return [decision.name for decision in (*space.decisions, *space.extras)]


def space_text(space: SearchSpace) -> str:
    """The inverse of `read_space`."""
    told = {"name": space.name, "decisions": {one.name: _told(one) for one in space.decisions}}
    extras = {one.name: _told(one) for one in space.extras}
    return yaml.safe_dump(told | ({"extras": extras} if extras else {}), sort_keys=False, allow_unicode=True)


def _told(decision: Decision) -> dict[str, Any]:
    return {
        "tier": decision.tier.value,
        "values": list(decision.values),
        "default": decision.default,
        "summary": decision.summary,
        "when": {name: list(values) for name, values in decision.when.items()},
        "trial_cost": decision.trial_cost,
        "serving_cost": decision.serving_cost,
    }


def _decision(name: str, told: Any, origin: str) -> Decision:
    thing = f"{origin}: decision {name!r}"
    if not isinstance(told, dict):
        raise SpaceError(f"{thing} is {told!r}; expected fields {', '.join(sorted(_FIELDS))}")
    if strange := sorted(set(map(str, told)) - _FIELDS):
        raise SpaceError(f"{thing} has unknown field {strange[0]!r}; known: {', '.join(sorted(_FIELDS))}")
    values = _values(f"{thing}: values", told.get("values"))
    return Decision(
        name=name,
        tier=_tier(thing, told.get("tier")),
        values=values,
        default=told.get("default", values[0]),
        summary=str(told.get("summary", "")),
        when=_when(thing, told.get("when")),
        trial_cost=_cost(f"{thing}: trial_cost", told.get("trial_cost", 0)),
        serving_cost=_cost(f"{thing}: serving_cost", told.get("serving_cost", 0)),
    )


def _tier(thing: str, value: Any) -> Tier:
    try:
        return Tier(value)
    except ValueError:
        raise SpaceError(f"{thing}: tier is {value!r}; expected one of {', '.join(Tier)}") from None


def _values(thing: str, values: Any) -> tuple[Scalar, ...]:
    listed = values if isinstance(values, list) else [values]
    if not listed or not all(isinstance(value, str | int | float | bool | None) for value in listed):
        raise SpaceError(f"{thing} is {values!r}; expected a list of texts, numbers, truths or null")
    return tuple(listed)


def _when(thing: str, conditions: Any) -> Mapping[str, tuple[Scalar, ...]]:
    if conditions is None:
        return NOTHING
    if not isinstance(conditions, dict):
        raise SpaceError(f"{thing}: when is {conditions!r}; expected `earlier decision: [values]`")
    return {str(name): _values(f"{thing}: when {name}", values) for name, values in conditions.items()}


def _cost(thing: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpaceError(f"{thing} is {value!r}; expected a number")
    return float(value)
