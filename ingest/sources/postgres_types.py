"""Types of PostgreSQL that SQLAlchemy would read as another text than a live source's log has.

Money would be written in the manner of a country, `-$1,234.56`, and a single bit as `1`. What columns of geometries
hold is read by `ingest.sources.postgres_values`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ingest.sources.geometry_types import named


class MoneyNumber(sa.types.TypeDecorator[Decimal]):
    """Money as an exact number: the database itself knows how many digits follow its point."""

    impl = postgresql.MONEY
    cache_ok = True

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """What is selected in the place of the column."""
        return sa.cast(column, sa.Numeric)

    def bind_expression(self, bindvalue: sa.BindParameter[Any]) -> sa.ColumnElement[Any]:
        """What the column is compared with."""
        return sa.cast(sa.type_coerce(bindvalue, sa.Numeric), postgresql.MONEY)


class BitTruth(sa.types.TypeDecorator[bool]):
    """A bit(1): true or false."""

    impl = postgresql.BIT
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        """The bit that the database compares by."""
        return value if value is None else str(int(value))

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """The driver's text as truth."""
        return value if value is None else value == "1"


_PLAIN = ("point", "line", "lseg", "box", "path", "polygon", "circle")
_POSTGIS = ("geometry", "geography")
GEOMETRIES = named((*_PLAIN, *_POSTGIS))


def read_as_meant(inspector: sa.Inspector, table: sa.Table, column: Any) -> None:
    """A listener for `column_reflect` that gives such columns a type of this file; columns of others stay."""
    kind = column["type"]
    while isinstance(kind, postgresql.DOMAIN):
        kind = kind.data_type
    if isinstance(kind, postgresql.MONEY):
        column["type"] = MoneyNumber()
    elif isinstance(kind, postgresql.BIT) and not kind.varying and kind.length == 1:
        column["type"] = BitTruth(1)
