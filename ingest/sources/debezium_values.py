"""Column values in Debezium messages: dates, times, decimals and bytes as their schema says.

Semantic types: the "Data type mappings" chapters of the connectors, Debezium 3. Without a schema, the SQL types of
columns say the same (`ingest.sources.column_kinds`); without either, values stay as sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from ingest.sources import value_decoders
from ingest.sources.geometry import geometry_text

Decode = Callable[[Any], Any]

_MARK = "__debezium_unavailable_value"  # the default of unavailable.value.placeholder
_MARK_BASE64 = base64.b64encode(_MARK.encode()).decode()  # the same in a column of bytes
_MARK_UUID = str(uuid.UUID(bytes=hashlib.md5(_MARK.encode(), usedforsecurity=False).digest(), version=3))
_MARK_HSTORE = f'{{"{_MARK}":"{_MARK}"}}'  # in a column of type hstore, which connectors may send as JSON text
_TEXT_MARKS = frozenset({_MARK, _MARK_BASE64, _MARK_HSTORE})
# In arrays: of texts, bytes, UUIDs; and of integers and days, as the codes of the mark's characters.
_ARRAY_MARKS: tuple[list[Any], ...] = ([_MARK], [_MARK_BASE64], [_MARK_UUID], list(_MARK.encode()))
_EPOCH = datetime(1970, 1, 1)  # columns without a time zone
_ENDLESS = 9_000_000_000_000_000_000  # microseconds; Java's clock ends a little later
_MAX_BITS = 83_886_080  # PostgreSQL's longest fixed bit string; varying ones say more


class _Unavailable:
    """The value did not change and was not sent."""

    def __repr__(self) -> str:
        return "UNAVAILABLE"


UNAVAILABLE: Final = _Unavailable()


def field_schema(schema: Any, name: str) -> Any:
    """The schema of one field of a struct, None where there is none."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    return next((field for field in fields or () if field.get("field") == name), None)


def decode_row(row: Any, schema: Any, kinds: Mapping[str, Decode] | None = None) -> dict[str, Any] | None:
    """The row's columns as Python values; `UNAVAILABLE` marks those not sent. None for no row.

    `kinds` has the decoders of columns that need one, for rows without a schema; None where they are not known.
    """
    if not isinstance(row, dict):
        return None
    if schema is None:
        known = {} if kinds is None else kinds
        other = _unknown if kinds is None else value_decoders.as_sent
        return {column: _plain(value, known.get(column, other)) for column, value in row.items()}
    schemas = {field["field"]: field for field in schema.get("fields") or ()}
    return {column: decode_value(value, schemas.get(column)) for column, value in row.items()}


def _plain(value: Any, kind: Decode) -> Any:
    """One value without a schema."""
    if value is None or value is True or value is False or isinstance(value, int | float):
        return value
    if _is_unavailable(value):
        return UNAVAILABLE
    try:
        return _shaped(value) if isinstance(value, dict) else kind(value)
    except (ValueError, TypeError, KeyError, OverflowError):  # binascii's error is a ValueError
        return value


def _unknown(value: Any) -> Any:
    """A value of which nothing is known but what it looks like."""
    return value_decoders.without_zone(value) if isinstance(value, str) else value


def _shaped(value: dict[str, Any]) -> Any:
    """A structure that says by its fields what it is."""
    if value.keys() == {"scale", "value"}:
        return _variable_decimal(value, {})
    return _geometry(value, {}) if "wkb" in value else value


def decode_value(value: Any, schema: Any) -> Any:
    """One value by its schema; as it is when the schema is absent, unknown, or does not fit it."""
    if _is_unavailable(value):
        return UNAVAILABLE
    if value is None or not isinstance(schema, dict):
        return value
    decode = _BY_NAME.get(schema.get("name", "")) or _BY_TYPE.get(schema.get("type", ""))
    if decode is None:
        return value
    try:
        return decode(value, schema)
    except (ValueError, TypeError, KeyError, OverflowError, binascii.Error):
        return value  # a date beyond the year 9999, an infinity: better as sent than not at all


def _is_unavailable(value: Any) -> bool:
    if isinstance(value, str):
        return value in _TEXT_MARKS
    if isinstance(value, list):
        return value in _ARRAY_MARKS
    return isinstance(value, dict) and _MARK in value


def _date(value: int, schema: Mapping[str, Any]) -> date:
    return (_EPOCH + timedelta(days=value)).date()


def _timestamp(per_second: int) -> Callable[[int, Mapping[str, Any]], datetime]:
    return lambda value, schema: _EPOCH + timedelta(microseconds=value * 10**6 // per_second)


def _time(per_second: int) -> Callable[[int, Mapping[str, Any]], str]:
    """Time of day as text; MySQL's TIME may also be a negative or longer span."""

    def decode(value: int, schema: Mapping[str, Any]) -> str:
        microseconds = abs(value) * 10**6 // per_second
        seconds, fraction = divmod(microseconds, 10**6)
        text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return ("-" if value < 0 else "") + text + (f".{fraction:06}" if fraction else "")

    return decode


def _decimal(value: str, schema: Mapping[str, Any]) -> Decimal:
    """Unscaled integer as big-endian two's complement; PostgreSQL sends the scale in the schema."""
    unscaled = int.from_bytes(base64.b64decode(value, validate=True), "big", signed=True)
    return _scaled(unscaled, int(schema["parameters"]["scale"]))


def _scaled(unscaled: int, scale: int) -> Decimal:
    """With every digit: arithmetic on decimals would round to 28 of them."""
    digits = tuple(map(int, str(abs(unscaled))))
    return Decimal((int(unscaled < 0), digits, -scale))


def _variable_decimal(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Decimal:
    unscaled = int.from_bytes(base64.b64decode(value["value"], validate=True), "big", signed=True)
    return _scaled(unscaled, int(value["scale"]))


def _geometry(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    return geometry_text(base64.b64decode(value["wkb"], validate=True))


def _endless_timestamp(per_second: int) -> Callable[[int, Mapping[str, Any]], datetime | str]:
    """As `_timestamp`; PostgreSQL's infinities are the ends of Java's clock."""
    moment = _timestamp(per_second)

    def decode(value: int, schema: Mapping[str, Any]) -> datetime | str:
        if abs(value) * 10**6 // per_second > _ENDLESS:
            return "-infinity" if value < 0 else "infinity"
        return moment(value, schema)

    return decode


def _bits(value: str, schema: Mapping[str, Any]) -> Any:
    length = int(schema["parameters"]["length"])
    return value_decoders.bits(0 if length > _MAX_BITS else length)(value)


def _by_text(decode: Callable[[Any], Any]) -> Callable[[Any, Mapping[str, Any]], Any]:
    return lambda value, schema: decode(value)


def _bytes(value: Any, schema: Mapping[str, Any]) -> Any:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _array(value: list[Any], schema: Mapping[str, Any]) -> list[Any]:
    return [decode_value(item, schema.get("items")) for item in value]


_BY_NAME: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "io.debezium.time.Date": _date,
    "org.apache.kafka.connect.data.Date": _date,
    "io.debezium.time.Timestamp": _endless_timestamp(10**3),
    "io.debezium.time.MicroTimestamp": _endless_timestamp(10**6),
    "io.debezium.time.NanoTimestamp": _timestamp(10**9),
    "org.apache.kafka.connect.data.Timestamp": _timestamp(10**3),
    "io.debezium.time.Time": _time(10**3),
    "io.debezium.time.MicroTime": _time(10**6),
    "io.debezium.time.NanoTime": _time(10**9),
    "org.apache.kafka.connect.data.Time": _time(10**3),
    "io.debezium.time.MicroDuration": lambda value, schema: timedelta(microseconds=value),
    "io.debezium.time.ZonedTimestamp": _by_text(value_decoders.iso_moment),
    "io.debezium.time.IsoTimestamp": _by_text(value_decoders.iso_timestamp),
    "io.debezium.time.IsoDate": _by_text(value_decoders.iso_date),
    "io.debezium.time.IsoTime": _by_text(value_decoders.iso_time),
    "io.debezium.data.Json": _by_text(value_decoders.json_text),
    "io.debezium.data.Bits": _bits,
    "io.debezium.data.geometry.Point": _geometry,
    "io.debezium.data.geometry.Geometry": _geometry,
    "io.debezium.data.geometry.Geography": _geometry,
    "org.apache.kafka.connect.data.Decimal": _decimal,
    "io.debezium.data.VariableScaleDecimal": _variable_decimal,
}
_BY_TYPE: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {"bytes": _bytes, "array": _array}
