"""The filter language: JSON over metadata fields, parsed once into frozen values, with a plain-Python oracle.

    {"year": {"$gte": 2020, "$lt": 2024}, "tag": {"$in": ["news", "blog"]}, "$not": {"draft": true}}

A list in the metadata matches when any of its elements does. Numbers compare with numbers and text with text (dates are
ISO 8601 text); `true` is not 1. A missing field matches nothing but `$ne`, `$nin` and `{"$exists": false}`.
`$contains`, `$prefix` and `$suffix` look for a part of a text, letter by letter: no patterns, and case matters as it
does where texts are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as derived
from datetime import date
from decimal import Decimal
from enum import StrEnum
from operator import methodcaller
from typing import Any, TypeAlias

from retrieval.errors import InvalidInputError

MAX_CONDITIONS = 1000  # conditions in one filter; more is an attack or a mistake
MAX_VALUES = 10_000  # of one $in or $nin
MAX_DEPTH = 16  # nesting of $and, $or and $not
MAX_PART = 256  # characters that $contains, $prefix or $suffix look for
MAX_SCANS = 16  # $contains, $prefix and $suffix of one filter: each looks at every text that its field has

Scalar: TypeAlias = str | int | float | bool
ValueKey: TypeAlias = tuple[str, Any]  # (kind, value), so that True and 1 differ while 1 and 1.0 agree


class Bound(StrEnum):
    """The comparisons of a range."""

    GT = "$gt"
    GTE = "$gte"
    LT = "$lt"
    LTE = "$lte"


class PartOperator(StrEnum):
    """Where in a text a part of it is looked for."""

    CONTAINS = "$contains"
    PREFIX = "$prefix"
    SUFFIX = "$suffix"


_PART_METHODS = {  # of `str`
    PartOperator.CONTAINS: "__contains__",
    PartOperator.PREFIX: "startswith",
    PartOperator.SUFFIX: "endswith",
}


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field has one of these values."""

    field: str
    values: tuple[Scalar, ...]
    keys: frozenset[ValueKey | None] = derived(init=False, repr=False, compare=False)  # made once, asked per document

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", frozenset(map(value_key, self.values)))


@dataclass(frozen=True, slots=True)
class Compare:
    """The field has a value on this side of the limit."""

    field: str
    bound: Bound
    limit: Scalar


@dataclass(frozen=True, slots=True)
class HasPart:
    """The field has a text with this part at that place; every text has the empty one."""

    field: str
    operator: PartOperator
    part: str
    holds: Callable[[str], bool] = derived(init=False, repr=False, compare=False)  # for a text; made once, asked often

    def __post_init__(self) -> None:
        object.__setattr__(self, "holds", methodcaller(_PART_METHODS[self.operator], self.part))


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there and is not null."""

    field: str


@dataclass(frozen=True, slots=True)
class And:
    """Every part matches; no parts match everything."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part matches."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not match."""

    part: Filter


Filter: TypeAlias = AnyOf | Compare | HasPart | Exists | And | Or | Not


def matches(condition: Filter, metadata: Mapping[str, Any]) -> bool:
    """Whether this metadata passes the filter: the definition that every index must agree with."""
    match condition:
        case AnyOf(field):
            return any(key in condition.keys for key in value_keys(metadata.get(field)))
        case Compare(field, bound, limit):
            return any(satisfies(key, bound, limit) for key in value_keys(metadata.get(field)))
        case HasPart(field):
            return any(kind == "text" and condition.holds(value) for kind, value in value_keys(metadata.get(field)))
        case Exists(field):
            return metadata.get(field) is not None
        case And(parts):
            return all(matches(part, metadata) for part in parts)
        case Or(parts):
            return any(matches(part, metadata) for part in parts)
        case Not(part):
            return not matches(part, metadata)


def value_key(value: Any) -> ValueKey | None:
    """How a value is compared: its kind and itself; None where it cannot be (null, NaN, an object)."""
    match value:
        case bool():
            return ("truth", value)
        case int():  # of any size, where a float would not do
            return ("number", value)
        case float() | Decimal():
            return None if math.isnan(value) else ("number", value)
        case str():
            return ("text", value)
        case date():  # datetime too
            return ("text", value.isoformat())
    return None


def value_keys(value: Any) -> Iterator[ValueKey]:
    """The keys of a metadata value: its own, or those of its elements where it is a list."""
    elements = value if isinstance(value, list | tuple | set | frozenset) else (value,)
    return (key for key in map(value_key, elements) if key is not None)


def satisfies(key: ValueKey, bound: Bound, limit: Scalar) -> bool:
    """Whether the value stands on the right side of the limit; values of another kind never do."""
    limit_key = value_key(limit)
    if limit_key is None or limit_key[0] != key[0]:
        return False
    value, edge = key[1], limit_key[1]
    match bound:
        case Bound.GT:
            return bool(value > edge)
        case Bound.GTE:
            return bool(value >= edge)
        case Bound.LT:
            return bool(value < edge)
        case Bound.LTE:
            return bool(value <= edge)


def parse_filter(json: Any) -> Filter:
    """The filter that this JSON value describes. Raises `InvalidInputError` naming the part that does not fit."""
    parsed = _parse_object(json, "filter", 0)
    conditions = list(_conditions(parsed))
    if len(conditions) > MAX_CONDITIONS:
        raise InvalidInputError(
            f"filter has {len(conditions)} conditions, expected at most {MAX_CONDITIONS}; use $in for many values"
        )
    scans = sum(isinstance(one, HasPart) for one in conditions)
    if scans > MAX_SCANS:
        raise InvalidInputError(
            f"filter looks for {scans} parts of texts, expected at most {MAX_SCANS}; use $in where whole values will do"
        )
    return parsed


def _parse_object(json: Any, path: str, depth: int) -> Filter:
    if depth > MAX_DEPTH:
        raise InvalidInputError(f"{path} is nested more than {MAX_DEPTH} deep; flatten the filter")
    if not isinstance(json, Mapping):
        raise InvalidInputError(f'{path} is {json!r}, expected an object such as {{"field": value}}')
    parts = [_parse_entry(name, value, f"{path}.{name}", depth) for name, value in json.items()]
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _parse_entry(name: Any, value: Any, path: str, depth: int) -> Filter:
    match name:
        case "$and":
            return And(_parse_list(value, path, depth))
        case "$or":
            return Or(_parse_list(value, path, depth))
        case "$not":
            return Not(_parse_object(value, path, depth + 1))
        case str() if name and not name.startswith("$"):
            return _parse_field(name, value, path)
    raise InvalidInputError(f"{path}: {name!r} is not a field name; known operators here: $and, $or, $not")


def _parse_list(value: Any, path: str, depth: int) -> tuple[Filter, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidInputError(f"{path} is {value!r}, expected a list of at least one filter object")
    return tuple(_parse_object(part, f"{path}[{i}]", depth + 1) for i, part in enumerate(value))


def _parse_field(field: str, value: Any, path: str) -> Filter:
    if not isinstance(value, Mapping):
        return _parse_equal(field, value, path)
    if not value:
        raise InvalidInputError(f'{path} is an empty object, expected an operator such as {{"$in": [...]}}')
    parts = [_parse_operator(field, operator, operand, f"{path}.{operator}") for operator, operand in value.items()]
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _parse_equal(field: str, value: Any, path: str) -> Filter:
    return Not(Exists(field)) if value is None else AnyOf(field, (_scalar(value, path),))


def _parse_operator(field: str, operator: Any, operand: Any, path: str) -> Filter:
    match operator:
        case "$eq":
            return _parse_equal(field, operand, path)
        case "$ne":
            return Not(_parse_equal(field, operand, path))
        case "$in":
            return AnyOf(field, _scalars(operand, path))
        case "$nin":
            return Not(AnyOf(field, _scalars(operand, path)))
        case "$gt" | "$gte" | "$lt" | "$lte":
            return Compare(field, Bound(operator), _limit(operand, path))
        case "$contains" | "$prefix" | "$suffix":
            return HasPart(field, PartOperator(operator), _part(operand, path))
        case "$exists" if isinstance(operand, bool):
            return Exists(field) if operand else Not(Exists(field))
        case "$exists":
            raise InvalidInputError(f"{path} is {operand!r}, expected true or false")
    known = "$eq, $ne, $in, $nin, $gt, $gte, $lt, $lte, $contains, $prefix, $suffix, $exists"
    raise InvalidInputError(f"{path}: unknown operator {operator!r}; known: {known}")


def _scalars(value: Any, path: str) -> tuple[Scalar, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InvalidInputError(f"{path} is {value!r}, expected a list of values")
    if len(value) > MAX_VALUES:
        raise InvalidInputError(f"{path} has {len(value)} values, expected at most {MAX_VALUES}; ask in parts")
    return tuple(_scalar(element, f"{path}[{i}]") for i, element in enumerate(value))


def _scalar(value: Any, path: str) -> Scalar:
    if isinstance(value, str | int | float) and value_key(value) is not None:
        return value
    raise InvalidInputError(f"{path} is {value!r}, expected text, a number, true or false")


def _limit(value: Any, path: str) -> Scalar:
    scalar = _scalar(value, path)
    if isinstance(scalar, bool):
        raise InvalidInputError(f"{path} is {value!r}, expected a number or text (dates as ISO 8601) to compare with")
    return scalar


def _part(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidInputError(f"{path} is {value!r}, expected text to look for")
    if len(value) > MAX_PART:
        raise InvalidInputError(f"{path} has {len(value)} characters, expected at most {MAX_PART}; look for fewer")
    return value


def _conditions(condition: Filter) -> Iterator[Filter]:
    """The condition and all that it is made of."""
    yield condition
    match condition:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _conditions(part)
        case Not(part):
            yield from _conditions(part)
