"""Values of MySQL and MariaDB that SQLAlchemy would read as something else, read as a live source's log has them.

It makes an unordered set of a SET, a time of day of a TIME, which may be negative or longer than a day, a number of the
ones and zeros of a BIT(n), rounds a DOUBLE to ten digits after the point, and leaves a geometry in bytes. The log has
no value at all of a TIME that is negative or longer than a day (Debezium sends null); here it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from ingest.sources.geometry import geometry_text
from ingest.sources.geometry_types import GeometryType, named

_SECOND = timedelta(seconds=1)
HOURS_OF_A_DAY = 24
_SRID_BYTES = 4  # before the well-known binary form of a geometry: the number of its reference system
COLLATION = "utf8mb4_bin"  # tells all texts apart, whatever the connection's would


class SetText(sa.types.TypeDecorator[str]):
    """A SET as the database writes it: its members in the order of their declaration, with commas."""

    impl = sa.String
    cache_ok = True


class TimeText(sa.types.TypeDecorator[str]):
    """A TIME as `[-]HH:MM:SS[.f]`, without zeros at the end of its fraction."""

    impl = sa.String
    cache_ok = True

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """The driver's span as text; what the driver could not read is text already."""
        if not isinstance(value, timedelta):
            return value
        seconds, rest = divmod(abs(value), _SECOND)
        fraction = f".{rest.microseconds:06}".rstrip("0").rstrip(".")
        sign = "-" if value < timedelta() else ""
        return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def is_missing_in_the_log(value: Any) -> bool:
    """Whether it is a TIME, as `TimeText` gives it, of which the log says null."""
    return isinstance(value, str) and (value.startswith("-") or int(value.partition(":")[0]) >= HOURS_OF_A_DAY)


class BitTruth(sa.types.TypeDecorator[bool]):
    """A BIT of one bit: true or false."""

    impl = sa.Integer
    cache_ok = True

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """The driver's byte as truth."""
        return value if value is None else bool(int.from_bytes(value, "big"))


class BitText(sa.types.TypeDecorator[str]):
    """A BIT of several bits as that many ones and zeros."""

    impl = sa.Integer
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        """The number that the database compares by."""
        return value if value is None else int(value, 2)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """The driver's bytes, highest first, as text."""
        return value if value is None else f"{int.from_bytes(value, 'big'):0{self.length}b}"


class GeometryText(GeometryType):
    """A geometry as well-known text, such as `POINT(1.5 -2)`."""

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], Any]:
        """From the driver's bytes; they stay where they are no geometry that we know."""

        def read(value: Any) -> Any:
            try:
                return value if value is None else geometry_text(value[_SRID_BYTES:])
            except ValueError:
                return value

        return read


_SHAPES = ("point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon")
_COLLECTIONS = ("geometry", "geometrycollection", "geomcollection")
GEOMETRIES = named((*_SHAPES, *_COLLECTIONS), GeometryText)


def in_order_of_text(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """What to sort and page by: ENUM and SET are sorted by their numbers, but compared with a value by their text."""
    if not isinstance(column.type, mysql.ENUM | SetText):
        return column
    return sa.collate(sa.cast(column, sa.String), COLLATION)


def read_as_meant(inspector: sa.Inspector, table: sa.Table, column: Any) -> None:
    """A listener for `column_reflect` that gives such columns a type of this file; columns of others stay."""
    kind = column["type"]
    if isinstance(kind, mysql.SET):
        column["type"] = SetText()
    elif isinstance(kind, mysql.TIME):
        column["type"] = TimeText()
    elif isinstance(kind, mysql.BIT):
        column["type"] = BitTruth() if kind.length in (None, 1) else BitText(kind.length)
    elif isinstance(kind, mysql.DOUBLE | mysql.REAL):
        column["type"] = sa.Float()
