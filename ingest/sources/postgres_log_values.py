"""Values of PostgreSQL as a live source's log has them, for comparing rows with what came by the log.

The driver counts an interval in seconds, a month as 30 days, and writes times and ranges in Python's way.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.string import TextLoader
from sqlalchemy.dialects import postgresql

OPTIONS = "-c intervalstyle=iso_8601"  # of a connection whose intervals `read_as_logged` reads
_RANGES = ("int4", "int8", "num", "date", "ts", "tstz")
_AS_TEXT = ("time", *(f"{of}{kind}" for of in _RANGES for kind in ("range", "multirange")))
_DATE_PART, _TIME_PART = r"(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?", r"(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?[\d.]+)S)?"
_INTERVAL = re.compile(f"P{_DATE_PART}(?:T{_TIME_PART})?")
_ANY_DAY = date(2000, 1, 1)


def read_as_logged(connection: sa.Connection) -> None:
    """Let the connection, made with `OPTIONS`, give times, intervals and ranges as Debezium's texts."""
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    for name in _AS_TEXT:
        if (known := driver.adapters.types.get(name)) is not None:
            driver.adapters.register_loader(known.oid, TextLoader)
    driver.adapters.register_loader("interval", _IntervalText)


def logged_type(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    """The type by which a column of such a connection is read; the column's own where that does."""
    kind = column.type
    while isinstance(kind, postgresql.DOMAIN):
        kind = kind.data_type
    item = kind.item_type if isinstance(kind, sa.ARRAY) else kind
    if isinstance(item, postgresql.ranges.AbstractRange):
        return sa.types.NULLTYPE  # the usual one expects the driver's ranges
    if column.primary_key:
        return kind  # with all that tells one key from another
    if isinstance(kind, sa.Time) and kind.timezone:
        return ZonedTimeText()
    if isinstance(kind, postgresql.BIT) and kind.varying:
        return VaryingBits()
    return kind


class ZonedTimeText(sa.types.TypeDecorator[str]):
    """A time of day with a zone as `HH:MM:SS[.f]Z`, without zeros at the end of its fraction."""

    impl = sa.Time(timezone=True)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """The driver's time as text; what Python cannot hold is text already."""
        if not isinstance(value, time):
            return value
        clock = datetime.combine(_ANY_DAY, value).astimezone(UTC).strftime("%H:%M:%S.%f")
        return clock.rstrip("0").rstrip(".") + "Z" if value.microsecond else clock[:8] + "Z"


class VaryingBits(sa.types.TypeDecorator[str]):
    """A bit varying without the zeros at its beginning, of which the log has the number only."""

    impl = postgresql.BIT(varying=True)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """The number in ones and zeros."""
        return value if value is None else str(value.lstrip("0")) or "0"


class _IntervalText(Loader):
    """An interval as `P1Y2M3DT4H5M6.7S`, every part told."""

    def load(self, data: Buffer) -> str:
        """The text; as PostgreSQL writes it where that is no ISO 8601, such as `infinity`."""
        text = bytes(data).decode()
        found = _INTERVAL.fullmatch(text)
        if found is None:
            return text
        years, months, days, hours, minutes, seconds = (part or "0" for part in found.groups())
        return f"P{years}Y{months}M{days}DT{hours}H{minutes}M{seconds}S"
