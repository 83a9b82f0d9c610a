"""Values of SQLite, which holds any value in any column: what fits its type is read as such, the rest as it is.

SQLAlchemy's own reading raises where a value does not fit, and writes decimals with ten digits after the point.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa

Decoder = Callable[[Any], Any]


def raw_columns(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """The table's columns, read as SQLite holds them."""
    return [sa.type_coerce(column, sa.types.NULLTYPE).label(column.name) for column in table.columns]


def decoders(table: sa.Table) -> dict[str, Decoder]:
    """What reads the values of the table's columns; a column without one is taken as it is."""
    return {column.name: decode for column in table.columns if (decode := _decoder(column.type)) is not None}


def text(data: bytes) -> str:
    r"""Text in UTF-8, with other bytes written as in `caf\xe9`: keys that differ still do."""
    return data.decode("utf-8", "backslashreplace")


def _decoder(kind: sa.types.TypeEngine[Any]) -> Decoder | None:
    for known, decode in _BY_TYPE.items():
        if isinstance(kind, known):
            return decode
    return None


def _read(parse: Callable[[str], Any]) -> Decoder:
    """Reads a text by `parse`; where it does not fit, and for all but texts, the value as it is."""

    def decode(value: Any) -> Any:
        try:
            return parse(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):  # the latter for JSON that is nested too deep
            return value

    return decode


def _boolean(value: Any) -> Any:
    return bool(value) if value in (0, 1) else value


_BY_TYPE: dict[type[sa.types.TypeEngine[Any]], Decoder] = {
    sa.Boolean: _boolean,
    sa.DateTime: _read(datetime.fromisoformat),
    sa.Date: _read(date.fromisoformat),
    sa.Time: _read(time.fromisoformat),
    sa.JSON: _read(json.loads),
}
