"""Column values in Debezium messages: dates, times, decimals and bytes as their schema says.

Semantic types: the "Data type mappings" chapters of the connectors, Debezium 3. Without a schema values stay as sent.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

_MARK = "__debezium_unavailable_value"  # the default of unavailable.value.placeholder
_MARK_BASE64 = base64.b64encode(_MARK.encode()).decode()  # the same in a column of bytes
_EPOCH = datetime(1970, 1, 1)  # columns without a time zone


class _Unavailable:
    """The value did not change and was not sent."""

    def __repr__(self) -> str:
        return "UNAVAILABLE"


UNAVAILABLE: Final = _Unavailable()


def field_schema(schema: Any, name: str) -> Any:
    """The schema of one field of a struct, None where there is none."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    return next((field for field in fields or () if field.get("field") == name), None)


def decode_row(row: Any, schema: Any) -> dict[str, Any] | None:
    """The row's columns as Python values; `UNAVAILABLE` marks those not sent. None for no row."""
    if not isinstance(row, dict):
        return None
    return {column: decode_value(value, field_schema(schema, column)) for column, value in row.items()}


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
        return value in (_MARK, _MARK_BASE64)
    if isinstance(value, list):
        return value == [_MARK]
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
    return Decimal(unscaled).scaleb(-int(schema["parameters"]["scale"]))


def _variable_decimal(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Decimal:
    unscaled = int.from_bytes(base64.b64decode(value["value"], validate=True), "big", signed=True)
    return Decimal(unscaled).scaleb(-int(value["scale"]))


def _bytes(value: Any, schema: Mapping[str, Any]) -> Any:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _array(value: list[Any], schema: Mapping[str, Any]) -> list[Any]:
    return [decode_value(item, schema.get("items")) for item in value]


_BY_NAME: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "io.debezium.time.Date": _date,
    "org.apache.kafka.connect.data.Date": _date,
    "io.debezium.time.Timestamp": _timestamp(10**3),
    "io.debezium.time.MicroTimestamp": _timestamp(10**6),
    "io.debezium.time.NanoTimestamp": _timestamp(10**9),
    "org.apache.kafka.connect.data.Timestamp": _timestamp(10**3),
    "io.debezium.time.Time": _time(10**3),
    "io.debezium.time.MicroTime": _time(10**6),
    "io.debezium.time.NanoTime": _time(10**9),
    "org.apache.kafka.connect.data.Time": _time(10**3),
    "io.debezium.time.MicroDuration": lambda value, schema: timedelta(microseconds=value),
    "org.apache.kafka.connect.data.Decimal": _decimal,
    "io.debezium.data.VariableScaleDecimal": _variable_decimal,
}
_BY_TYPE: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {"bytes": _bytes, "array": _array}
