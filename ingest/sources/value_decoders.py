"""From the text that a connector sends to the value that it stands for; whatever does not fit stays as it was sent."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from ingest.json_reading import read_json

_ENDLESS_YEAR = 290_000  # Debezium writes infinity as the last moment that Java's clock counts
_YEAR = re.compile(r"[+-]?\d+")
_DATE_WITH_ZONE = re.compile(r"\d{4}-\d\d-\d\dZ")


def as_sent(value: Any) -> Any:
    """The value."""
    return value


def iso_date(value: Any) -> Any:
    """A date such as "2026-01-02Z" without the zone that dates do not have."""
    return _endless(value) or value.removesuffix("Z") if isinstance(value, str) else value


def iso_time(value: Any) -> Any:
    """A time of day such as "03:04:05Z" without the zone that it does not have."""
    return value.removesuffix("Z") if isinstance(value, str) else value


def iso_timestamp(value: Any) -> Any:
    """A date and time without a zone."""
    moment = iso_moment(value)
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=None)
    return moment.removesuffix("Z") if isinstance(moment, str) else moment


def iso_moment(value: Any) -> Any:
    """A moment, in UTC."""
    if not isinstance(value, str):
        return value
    if endless := _endless(value):
        return endless
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def decimal_text(value: Any) -> Any:
    """An exact number."""
    if not isinstance(value, str):
        return value
    try:
        return Decimal(value)
    except InvalidOperation:
        return value


def json_text(value: Any) -> Any:
    """The value that a JSON text stands for, where it has more than one."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return read_json(value)
    except orjson.JSONDecodeError:
        return value


def bits(length: int) -> Callable[[Any], Any]:
    """A string of that many bits as ones and zeros, sent as base64, lowest byte first; length 0: varying."""

    def decode(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        number = int.from_bytes(base64.b64decode(value, validate=True), "little")
        return f"{number:0{length or 1}b}"

    return decode


def each(item: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The decoder for an array of such items."""

    def decode(value: Any) -> Any:
        return [one if one is None else item(one) for one in value] if isinstance(value, list) else value

    return decode


def without_zone(value: Any) -> Any:
    """A text that is a date with a zone, which only a connector writes, without it; any other value as it is."""
    return value[:-1] if len(value) == 11 and _DATE_WITH_ZONE.fullmatch(value) else value


def _endless(text: str) -> str | None:
    year = _YEAR.match(text)
    if year is None or abs(int(year[0])) < _ENDLESS_YEAR:
        return None
    return "-infinity" if text.startswith("-") else "infinity"
