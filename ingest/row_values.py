"""Values of source rows as JSON, as the text of a key, and as joins compare them."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from ingest.template import value_text

JsonRow = dict[str, Any]

MAX_KEY_BYTES = 2_000  # in UTF-8; with what stands beside it, PostgreSQL's indexes take no row above 2,704

_PLAIN = frozenset({str, bool, type(None)})  # types that JSON holds as they are
_BEYOND = 2**63  # the least number that a signed integer of 64 bits does not hold


def link_value(value: Any) -> str | None:
    """A value as joins compare it; None, which joins nothing, for a null."""
    return None if value is None else _storable(value_text(value))


def key_text(values: Sequence[Any]) -> str:
    """A primary key as text: composite keys joined by commas, a comma inside one of them written %2C."""
    texts = [_storable(value_text(json_value(value))) for value in values]
    if len(texts) == 1:
        return texts[0]
    return ",".join(text.replace("%", "%25").replace(",", "%2C") for text in texts)


def is_too_long(key: str) -> bool:
    """Whether the catalog cannot find anything by that key."""
    return len(key) * 4 > MAX_KEY_BYTES and len(key.encode()) > MAX_KEY_BYTES


def _storable(text: str) -> str:
    r"""The text with a NUL, which PostgreSQL does not store, written as `\x00`."""
    return text.replace("\0", r"\x00") if "\0" in text else text


def json_row(row: Mapping[str, Any]) -> JsonRow:
    """The row with values that JSON can hold."""
    return {column: value if type(value) in _PLAIN else json_value(value) for column, value in row.items()}


def json_value(value: Any) -> Any:
    """A column's value as JSON: decimals as numbers where that is exact, dates as ISO 8601, bytes as base64.

    Integers beyond 64 bits are text, since readers of JSON would make floats of them.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if holds_64_bits(value) else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _endless(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return json_row(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [json_value(item) for item in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)  # a UUID, an address, whatever a driver knows


def holds_64_bits(value: int | Decimal) -> bool:
    """Whether a signed integer of 64 bits holds it."""
    return -_BEYOND <= value < _BEYOND


def _endless(value: float) -> str:
    """As databases write what is no number; JSON cannot."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _decimal(value: Decimal) -> int | float | str:
    if not value.is_finite():
        return str(value)
    if value == (whole := value.to_integral_value()):
        return int(value) if holds_64_bits(value) else f"{whole:f}"
    as_float = float(value)
    return as_float if Decimal(repr(as_float)) == value else f"{value:f}"
