"""Reads a live table page by page along its primary key: many short queries instead of one long transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
import sqlalchemy as sa

from ingest.connect.tables import reflected
from ingest.errors import MappingError
from ingest.row_values import json_value, key_text
from ingest.sources.mysql_values import TimeText, in_order_of_text, is_missing_in_the_log
from ingest.template import value_text

PAGE_ROWS = 1_000

Row = Mapping[str, Any]
Identity = tuple[Any, ...]  # values of the primary key, as the driver gives them


class TableScan:
    """One table with the columns that matter. Raises `MappingError` where table, column or key is not there."""

    def __init__(self, connection: sa.Connection, name: str, columns: frozenset[str]) -> None:
        self._connection = connection
        self.name = name
        self._table = reflected(connection, name)
        self._keys = list(self._table.primary_key.columns)
        self._places = [in_order_of_text(column) for column in self._keys]
        wanted = columns | {column.name for column in self._keys}
        missing = sorted(wanted - set(self._table.columns.keys()))
        if missing:
            raise MappingError(f"table {name} has no column {', '.join(missing)} any more; mend the mapping")
        self._columns = [column for column in self._table.columns if column.name in wanted]

    def pages(self) -> Iterator[dict[str, Row]]:
        """Every row by its key as text, in the order of the primary key."""
        query = sa.select(*self._columns).order_by(*self._places).limit(PAGE_ROWS)
        after: Identity | None = None
        while True:
            page = query if after is None else query.where(sa.tuple_(*self._places) > sa.tuple_(*self._bound(after)))
            rows = [dict(row) for row in self._connection.execute(page).mappings()]
            if not rows:
                return
            yield {self._key(row): row for row in rows}
            after = self.identity(rows[-1])

    def fetch(self, identities: Sequence[Identity]) -> dict[str, Row]:
        """Those of the rows that are there now, by key."""
        if not identities:
            return {}
        wanted = [sa.tuple_(*self._bound(identity)) for identity in identities]
        query = sa.select(*self._columns).where(sa.tuple_(*self._keys).in_(wanted))
        rows = [dict(row) for row in self._connection.execute(query).mappings()]
        return {self._key(row): row for row in rows}

    def identity(self, row: Row) -> Identity:
        """The row's primary key."""
        return tuple(row[column.name] for column in self._keys)

    def same(self, row: Row, stored: Row) -> bool:
        """Whether a stored row says the same, however its values travelled here."""
        return all(_same(column.type, row[column.name], stored.get(column.name)) for column in self._columns)

    def _bound(self, identity: Identity) -> list[sa.BindParameter[Any]]:
        return [sa.bindparam(None, value, column.type) for column, value in zip(self._keys, identity, strict=True)]

    def _key(self, row: Row) -> str:
        return key_text(list(self.identity(row)))


def _same(kind: sa.types.TypeEngine[Any], value: Any, stored: Any) -> bool:
    """Whether two forms of a value are one value of that type."""
    here = json_value(value)
    if here == stored:
        return True
    if here is None or stored is None:
        return isinstance(kind, TimeText) and stored is None and is_missing_in_the_log(here)
    if isinstance(here, int | float) != isinstance(stored, int | float):
        return False  # a filter tells a number from its text
    if isinstance(kind, sa.Numeric | sa.Integer | sa.Boolean) or isinstance(value, int | float | Decimal):
        return _number(here) == _number(stored)
    if isinstance(value, date):  # datetimes are dates
        return _moment(here) == _moment(stored)
    if isinstance(kind, sa.JSON) or isinstance(value, dict):
        return bool(_parsed(here) == _parsed(stored))
    return value_text(here) == value_text(stored)


def _number(value: Any) -> Decimal | str:
    try:
        return Decimal(int(value)) if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return str(value)


def _moment(value: Any) -> datetime | str:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parsed(value: Any) -> Any:
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value
