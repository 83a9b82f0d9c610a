"""What a mapping makes of the first rows of live tables, with the rows joined to them, before any source exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from ingest.changes import RowChange
from ingest.connect.address import DatabaseAddress
from ingest.connect.tables import reading, reflected
from ingest.errors import IngestError
from ingest.rendering import document_key
from ingest.row_mapper import RowMapper
from ingest.row_values import json_value, key_text, link_value
from ingest.rows import MemoryRows
from ingest.table_mapping import Include, TablesMapping
from retrieval.types import Document, SourcePosition

JOINED_ROWS = 1_000  # of one join; a preview needs no more
_POSITION = SourcePosition((1,))

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row, or a table where `key` is None, that no document can be made of, or that is not joined as one expects."""

    table: str
    key: str | None
    message: str


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """Documents in the order of their rows, and what went wrong."""

    documents: Sequence[Document]
    problems: Sequence[RowProblem]


def preview(address: DatabaseAddress, mapping: TablesMapping, limit: int) -> PreviewResult:
    """The documents of the first `limit` rows, by key, of each mapped table.

    Raises `MappingError` for tables and columns that are not there, `SourceError` where they cannot be read.
    """
    documents: list[Document] = []
    problems: list[RowProblem] = []
    with reading(address) as connection:
        tables = {name: _reflected(connection, mapping, name) for name in sorted(mapping.all_tables)}
        for name, spec in mapping.tables.items():
            rows = _first_rows(connection, tables[name], limit)
            mapper = RowMapper(mapping, MemoryRows())
            problems += _load_joined(connection, mapper, tables, spec.include, rows)
            for key, change in _changes(name, tables[name], rows):
                try:
                    changes = mapper.apply([change])
                except IngestError as error:
                    problems.append(RowProblem(name, key, str(error)))
                    continue
                wanted = document_key(name, key)
                documents += [one for one in changes if isinstance(one, Document) and one.key == wanted]
                problems += [RowProblem(name, key, "text is empty") for one in changes if _is_empty(one, wanted)]
    return PreviewResult(documents, problems)


def _is_empty(change: object, key: str) -> bool:
    return isinstance(change, Document) and change.key == key and not change.text.strip()


def _reflected(connection: sa.Connection, mapping: TablesMapping, name: str) -> sa.Table:
    found = reflected(connection, name)
    mapping.check_columns(name, found.columns.keys())
    return found


def _first_rows(connection: sa.Connection, table: sa.Table, limit: int) -> list[Row]:
    query = sa.select(table).order_by(*table.primary_key.columns).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def _load_joined(
    connection: sa.Connection,
    mapper: RowMapper,
    tables: Mapping[str, sa.Table],
    includes: Mapping[str, Include],
    rows: Sequence[Row],
) -> list[RowProblem]:
    """The rows that these rows join, and what those join in turn; which of them only the database would join."""
    problems: list[RowProblem] = []
    for include in includes.values():
        joined = _joined_rows(connection, tables[include.table], include, rows)
        changes = list(_changes(include.table, tables[include.table], joined))
        mapper.apply([change for _, change in changes])
        problems += _not_joined(include, rows, changes)
        problems += _load_joined(connection, mapper, tables, include.include, joined)
    return problems


def _not_joined(include: Include, rows: Sequence[Row], joined: Sequence[tuple[str, RowChange]]) -> Iterator[RowProblem]:
    """The first joined row that the database's collation takes for equal to what is written otherwise here."""
    theirs, own = zip(*include.on, strict=True)
    ours = {_linked(row, own) for row in rows}
    for key, change in joined:
        assert change.row is not None
        if _linked(change.row, theirs) not in ours:
            values = ", ".join(f"{column} {change.row[column]!r}" for column in theirs)
            yield RowProblem(
                include.table,
                key,
                f"the database joins this row, with {values}, to values that are written otherwise (in case, accents "
                f"or blanks at the end); it is not joined here, where only equal values are: write them alike in "
                f"{', '.join(own)}",
            )
            return


def _linked(row: Row, columns: Sequence[str]) -> tuple[str | None, ...]:
    return tuple(link_value(json_value(row[column])) for column in columns)


def _joined_rows(connection: sa.Connection, table: sa.Table, include: Include, rows: Sequence[Row]) -> list[Row]:
    wanted = {tuple(row[own] for _, own in include.on) for row in rows}
    wanted = {values for values in wanted if None not in values}
    if not wanted:
        return []
    columns = [table.columns[theirs] for theirs, _ in include.on]
    matches = columns[0].in_([one for (one,) in wanted]) if len(columns) == 1 else sa.tuple_(*columns).in_(wanted)
    query = sa.select(table).where(matches).order_by(*table.primary_key.columns).limit(JOINED_ROWS)
    return [dict(row) for row in connection.execute(query).mappings()]


def _changes(name: str, table: sa.Table, rows: Iterable[Row]) -> Iterator[tuple[str, RowChange]]:
    keys = [column.name for column in table.primary_key.columns]
    for row in rows:
        key = key_text([row[column] for column in keys])
        yield key, RowChange(name, key, row, _POSITION, datetime.now(UTC))
