"""Metadata as words of one keyword field, and filters as queries over them: the mapping never grows with the data.

A value becomes `name kind value` (U+001F between name and kind). Text keeps its order by code point; a number becomes
hexadecimal digits whose order is that of the numbers, exact for integers of any size beside floats, as Python compares
them. A text too long for a term becomes its beginning and its hash, beside overlapping pieces in which its parts are
looked for. So one field serves equality, ranges and parts of texts, and agrees with `retrieval.filters.matches`.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retrieval.filters import (
    MAX_PART,
    And,
    AnyOf,
    Bound,
    Compare,
    Exists,
    Filter,
    HasPart,
    Not,
    Or,
    PartOperator,
    ValueKey,
    value_key,
    value_keys,
)
from retrieval.types import Principal

VALUES_FIELD, PRESENT_FIELD, GROUPS_FIELD = "values", "present", "groups"
MAX_TERMS = 65_536  # of one terms query: index.max_terms_count
MAX_TEXT_LENGTH = 4_096  # characters of a value; a term of Lucene holds 32,766 bytes
MAX_NAME_LENGTH = 256  # characters of a field's or group's name
SEPARATOR = "\x1f"
NUMBER, TEXT, LONG_TEXT, TRUTH = "n", "t", "u", "b"  # letters of kinds
PIECE, ENDING = "p", "e"  # of a long text
KIND_LETTERS = {"number": (NUMBER,), "text": (TEXT, LONG_TEXT), "truth": (TRUTH,)}
PART_LETTERS = {  # where parts of texts are looked for: in whole texts, and in what is kept of long ones
    PartOperator.CONTAINS: (TEXT, PIECE),
    PartOperator.PREFIX: (TEXT, LONG_TEXT),
    PartOperator.SUFFIX: (TEXT, ENDING),
}
WILD = str.maketrans({letter: f"\\{letter}" for letter in "\\*?"})  # what a wildcard query does not take literally
SIGN_BIT = 1 << 63

Query = dict[str, Any]


def attribute_fields(groups: Sequence[str], metadata: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a chunk's document in the index says of who may read it and of its metadata."""
    values = {term for name, value in metadata.items() for key in value_keys(value) for term in _terms(name, key)}
    return {
        GROUPS_FIELD: sorted({_name(group) for group in groups}),
        PRESENT_FIELD: sorted(_name(name) for name, value in metadata.items() if value is not None),
        VALUES_FIELD: sorted(values),
    }


def scope_query(principal: Principal, condition: Filter | None) -> list[Query]:
    """The queries that a chunk must match so that this caller may see it and it passes the filter."""
    parts = [] if principal.sees_all else [_any_term(GROUPS_FIELD, map(_name, principal.groups))]
    return parts if condition is None else [*parts, filter_query(condition)]


def filter_query(condition: Filter) -> Query:
    """The filter as a query."""
    match condition:
        case AnyOf(name, values):
            keys = (value_key(value) for value in values)
            return _any_term(VALUES_FIELD, (_term(name, key) for key in keys if key is not None))
        case Compare(name, bound, limit):
            return _range(name, bound, value_key(limit))
        case HasPart(name, operator, part):
            return any_of([_part_query(_start(name, letter), operator, part) for letter in PART_LETTERS[operator]])
        case Exists(name):
            return {"term": {PRESENT_FIELD: _name(name)}}
        case And(parts):
            return {"bool": {"filter": [filter_query(part) for part in parts]}} if parts else {"match_all": {}}
        case Or(parts):
            return any_of([filter_query(part) for part in parts])
        case Not(part):
            return {"bool": {"must_not": [filter_query(part)]}}


def any_of(queries: Sequence[Query]) -> Query:
    """What one of the queries matches; nothing where there are none."""
    if len(queries) == 1:
        return queries[0]
    return {"bool": {"should": queries, "minimum_should_match": 1}} if queries else {"match_none": {}}


def label_queries(labels: Sequence[int]) -> Query:
    """The chunks of these labels, in as many parts as the server allows."""
    parts = [labels[start : start + MAX_TERMS] for start in range(0, len(labels), MAX_TERMS)]
    return any_of([{"terms": {"label": list(part)}} for part in parts])


def _any_term(field: str, terms: Iterable[str]) -> Query:
    wanted = sorted(set(terms))
    parts = [wanted[start : start + MAX_TERMS] for start in range(0, len(wanted), MAX_TERMS)]
    return any_of([{"terms": {field: part}} for part in parts])


def _range(name: str, bound: Bound, limit: ValueKey | None) -> Query:
    """The values of the limit's kind on its side: terms between the limit and the end of the kind."""
    if limit is None:
        return {"match_none": {}}
    return any_of([_range_of(_start(name, letter), bound, _written(limit)) for letter in KIND_LETTERS[limit[0]]])


def _range_of(start: str, bound: Bound, limit: str) -> Query:
    after = start[:-1] + chr(ord(start[-1]) + 1)
    match bound:
        case Bound.GT | Bound.GTE:
            within = {bound.value[1:]: start + limit, "lt": after}
        case Bound.LT | Bound.LTE:
            within = {"gte": start, bound.value[1:]: start + limit}
    return {"range": {VALUES_FIELD: within}}


def _part_query(start: str, operator: PartOperator, part: str) -> Query:
    sent = _sendable(part)
    if operator is PartOperator.PREFIX:
        return {"prefix": {VALUES_FIELD: {"value": start + sent}}}
    pattern = f"{start.translate(WILD)}*{sent.translate(WILD)}{'*' if operator is PartOperator.CONTAINS else ''}"
    return {"wildcard": {VALUES_FIELD: {"value": pattern}}}


def _terms(name: str, key: ValueKey) -> list[str]:
    """The value's own term, and those by which parts of a long text are found."""
    own = [_term(name, key)]
    if key[0] != "text" or len(text := _sendable(key[1])) <= MAX_TEXT_LENGTH:
        return own
    step = MAX_TEXT_LENGTH - MAX_PART + 1  # so that each part is whole in one piece
    pieces = [text[begin : begin + MAX_TEXT_LENGTH] for begin in range(0, len(text) - MAX_PART + 1, step)]
    return [*own, *(_start(name, PIECE) + piece for piece in pieces), _start(name, ENDING) + text[-MAX_PART:]]


def _term(name: str, key: ValueKey) -> str:
    letter = KIND_LETTERS[key[0]][0]
    if letter == TEXT and len(_sendable(key[1])) > MAX_TEXT_LENGTH:
        letter = LONG_TEXT
    return _start(name, letter) + _written(key)


def _start(name: str, letter: str) -> str:
    """How the terms of a field and kind begin."""
    return f"{_name(name)}{SEPARATOR}{letter}"


def _written(key: ValueKey) -> str:
    kind, value = key
    match kind:
        case "number":
            return _ordered_number(value)
        case "truth":
            return "1" if value else "0"
    return _short(_sendable(value), MAX_TEXT_LENGTH)


def _name(name: str) -> str:
    """A name without the separator and of bounded length; what had to be changed ends in its hash."""
    plain = _sendable(name)
    return _short(
        plain.replace(SEPARATOR, " "), MAX_NAME_LENGTH if plain == name and SEPARATOR not in name else 0, name
    )


def _short(text: str, longest: int, whole: str | None = None) -> str:
    """The text, or its beginning and the hash of the whole: equality stays exact, order holds for the beginning."""
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(repr(whole or text).encode()).hexdigest()
    return f"{text[: longest or MAX_NAME_LENGTH]}\x02{digest}"


def _sendable(text: str) -> str:
    """The text with halves of surrogate pairs, which UTF-8 cannot carry, replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _ordered_number(value: Any) -> str:
    """Digits in the order of the numbers: those of the nearest float, then of what it is away from an integer."""
    nearest = _nearest_float(value)
    (bits,) = struct.unpack(">Q", struct.pack(">d", nearest + 0.0))  # -0.0 is 0.0
    ordered = bits ^ (SIGN_BIT if bits < SIGN_BIT else 2 * SIGN_BIT - 1)
    rest = value - int(nearest) if isinstance(value, int) else 0
    return f"{ordered:016x}{_ordered_rest(rest)}"


def _nearest_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max


def _ordered_rest(rest: int) -> str:
    """Nothing for 0, so that a float and an integer of one value agree; `.` before `~` brackets it in the order."""
    digits = f"{abs(rest):x}"
    if rest > 0:
        return f"~{len(digits):04x}{digits}"
    if rest < 0:
        complement = "".join(f"{15 - int(digit, 16):x}" for digit in digits)
        return f"-{0xFFFF - len(digits):04x}{complement}"
    return "."
