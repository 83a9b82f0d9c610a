"""Rows of source tables, kept so that joined documents can be rendered again when any of their rows changes.

Reads see the rows of the batch under way; the batch is written with its documents, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.batching import in_parts
from retrieval.catalog.engine import reading_once
from retrieval.catalog.source_tables import TableState, TableWrite, read_states, write_tables
from retrieval.catalog.upsert import upsert
from retrieval.errors import OvertakenError
from retrieval.types import SourcePosition

ROWS_PER_PAGE = 1_000
KEYS_PER_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class RowWrite:
    """One row as it is now; `data` None is a tombstone. `links` are the columns by which other rows find it."""

    source_id: int
    table: str
    key: str
    position: str
    data: dict[str, Any] | None
    links: Mapping[str, str]


def write_rows(connection: sa.Connection, writes: Sequence[RowWrite | TableWrite]) -> None:
    """Store rows, what they link to, and their tables, replacing what was there.

    Raises `OvertakenError` when another worker emptied a table of rows that are written here, or wrote rows to a
    table that is emptied here.
    """
    tables = [write for write in writes if isinstance(write, TableWrite)]
    rows = [write for write in writes if isinstance(write, RowWrite)]
    _check_truncations(connection, rows, tables)
    write_tables(connection, tables)
    _write_rows(connection, rows)


def _write_rows(connection: sa.Connection, rows: Sequence[RowWrite]) -> None:
    if not rows:
        return
    upsert(
        connection,
        schema.source_rows,
        [
            {
                "source_id": row.source_id,
                "table_name": row.table,
                "row_key": row.key,
                "position": row.position,
                "data": row.data,
            }
            for row in rows
        ],
        ["source_id", "table_name", "row_key"],
    )
    connection.execute(_links_gone(), [{"s": row.source_id, "t": row.table, "k": row.key} for row in rows])
    links = [
        {
            "source_id": row.source_id,
            "table_name": row.table,
            "column_name": column,
            "value": value,
            "row_key": row.key,
        }
        for row in rows
        for column, value in row.links.items()
    ]
    if links:
        connection.execute(schema.source_row_links.insert(), links)


@cache
def _links_gone() -> sa.Delete:
    c = schema.source_row_links.c
    return schema.source_row_links.delete().where(
        c.source_id == sa.bindparam("s"), c.table_name == sa.bindparam("t"), c.row_key == sa.bindparam("k")
    )


def _check_truncations(connection: sa.Connection, rows: Sequence[RowWrite], tables: Sequence[TableWrite]) -> None:
    """Commits of a collection come one after the other; what this one was rendered from may be from before the last."""
    living = [row for row in rows if row.data is not None]
    for source_id in {row.source_id for row in rows} | {table.source_id for table in tables}:
        emptied = {
            table: state.truncated_at
            for table, state in read_states(connection, source_id).items()
            if state.truncated_at is not None
        }
        for row in living:
            if row.source_id == source_id and row.table in emptied and _is_older(row.position, emptied[row.table]):
                raise OvertakenError(
                    f"table {row.table} was emptied by another worker after row {row.key} was read; nothing was "
                    "written, apply the events again"
                )
        for write in tables:
            if write.source_id == source_id and write.state.truncated_at != emptied.get(write.table):
                _check_emptied(connection, write, {row.key for row in rows if row.table == write.table})


def _check_emptied(connection: sa.Connection, write: TableWrite, written: Collection[str]) -> None:
    """Nobody else has stored rows that this truncation ought to have buried."""
    if write.state.truncated_at is None:
        return
    r = schema.source_rows.c
    query = sa.select(r.row_key, r.position).where(
        r.source_id == write.source_id, r.table_name == write.table, r.data.is_not(sa.null())
    )
    for key, position in connection.execute(query):
        if key not in written and _is_older(position, write.state.truncated_at):
            raise OvertakenError(
                f"row {key} of {write.table} was written by another worker while this one emptied the table; nothing "
                "was written, apply the events again"
            )


def _is_older(position: str, than: SourcePosition) -> bool:
    known = SourcePosition.decode(position)
    return bool(known.values) and known < than  # a row without a position is newer than everything


def living_page(
    connection: sa.Connection, source_id: int, table: str, after: str | None = None
) -> dict[str, dict[str, Any]]:
    """The next living rows of a table by key, `ROWS_PER_PAGE` at most; empty at the end."""
    r = schema.source_rows.c
    mine = (r.source_id == source_id, r.table_name == table, r.data.is_not(sa.null()))
    query = sa.select(r.row_key, r.data).where(*mine).order_by(r.row_key).limit(ROWS_PER_PAGE)
    rows = connection.execute(query if after is None else query.where(r.row_key > after))
    return {row.row_key: row.data for row in rows}


class SourceRows:
    """Reads the stored rows of one source."""

    def __init__(self, engine: sa.Engine, source_id: int) -> None:
        self._engine = engine
        self.source_id = source_id

    def read(self, table: str, key: str) -> tuple[SourcePosition, dict[str, Any] | None] | None:
        """(position, row or None for a tombstone), or None when the row was never seen."""
        r = schema.source_rows.c
        query = sa.select(r.position, r.data).where(
            r.source_id == self.source_id, r.table_name == table, r.row_key == key
        )
        with reading_once(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (SourcePosition.decode(row.position), row.data)

    def read_many(self, table: str, keys: Sequence[str]) -> dict[str, tuple[SourcePosition, dict[str, Any] | None]]:
        """As `read`, by key, for those of the rows that were ever seen."""
        r = schema.source_rows.c
        query = sa.select(r.row_key, r.position, r.data).where(r.source_id == self.source_id, r.table_name == table)
        with reading_once(self._engine) as connection:
            return {
                row.row_key: (SourcePosition.decode(row.position), row.data)
                for part in in_parts(keys)
                for row in connection.execute(query.where(r.row_key.in_(part)))
            }

    def pages(self, table: str) -> Iterator[dict[str, dict[str, Any]]]:
        """All living rows of a table by key, some hundreds at a time."""
        after: str | None = None
        while True:
            with reading_once(self._engine) as connection:
                page = living_page(connection, self.source_id, table, after)
            if not page:
                return
            yield page
            after = list(page)[-1]

    def keys_where(self, table: str, column: str, value: str) -> list[str]:
        """The keys of living rows whose linked column has that value."""
        c = schema.source_row_links.c
        query = sa.select(c.row_key).where(
            c.source_id == self.source_id, c.table_name == table, c.column_name == column, c.value == value
        )
        with reading_once(self._engine) as connection:
            return sorted(connection.execute(query).scalars())

    def tables(self) -> dict[str, TableState]:
        """What is remembered of each table that was ever seen."""
        with reading_once(self._engine) as connection:
            return read_states(connection, self.source_id)

    def keys(self, table: str, until: SourcePosition | None = None) -> list[str]:
        """The keys of all living rows of a table; with `until`, of those that are not newer."""
        r = schema.source_rows.c
        mine = (r.source_id == self.source_id, r.table_name == table, r.data.is_not(sa.null()))
        query = sa.select(r.row_key, r.position).where(*mine).order_by(r.row_key).limit(KEYS_PER_PAGE)
        found: list[str] = []
        page = query
        while True:
            with reading_once(self._engine) as connection:
                rows = connection.execute(page).all()
            found += [key for key, position in rows if until is None or not until < SourcePosition.decode(position)]
            if len(rows) < KEYS_PER_PAGE:
                return sorted(found)
            page = query.where(r.row_key > rows[-1].row_key)
