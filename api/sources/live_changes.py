"""What of a live source is read again, and fitted when its mapping changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ingest.errors import MappingError
from ingest.kafka.live_sources import mapping_of
from ingest.table_mapping import TablesMapping
from retrieval.catalog.row_upkeep import TableUse
from retrieval.catalog.sources import SourceRecord


def chosen_tables(record: SourceRecord, tables: Sequence[str] | None) -> list[str]:
    """These of a source's tables, by default all. Raises `MappingError` for one that it does not read."""
    mapped = mapping_of(record).all_tables
    chosen = mapped if tables is None else set(tables)
    if unknown := ", ".join(sorted(chosen - mapped)):
        raise MappingError(f"source {record.name!r} does not read {unknown}; it reads: {', '.join(sorted(mapped))}")
    return sorted(chosen)


def tables_to_read(before: TablesMapping, after: TablesMapping, new_columns: Collection[str]) -> set[str]:
    """Tables that are new, shown differently, or of which columns (`schema.table.column`) were not sent before.

    A column that came to a table later was sent, but rows that have not changed since are stored without it. Reading a
    mapped table again renders its documents by the new mapping, from rows that are stored where joined.
    """
    new = set(after.all_tables) - set(before.all_tables)
    wider = _tables_of(new_columns) & set(after.all_tables) | _named_more(before, after)
    shown = {table for table, spec in after.tables.items() if before.tables.get(table) != spec}
    return new | wider | shown


def table_uses(before: TablesMapping, after: TablesMapping, other_columns: Collection[str]) -> dict[str, TableUse]:
    """How the new mapping uses each of its tables; `other_columns` (`schema.table.column`): sent now or before only."""
    seen = _tables_of(other_columns) | _named_more(before, after)
    links = {table: after.link_columns(table) for table in after.all_tables}
    return {
        table: TableUse(columns, columns != before.link_columns(table), table in seen)
        for table, columns in links.items()
    }


def _named_more(before: TablesMapping, after: TablesMapping) -> set[str]:
    """Tables of which the mapping names columns that it did not name before."""
    return {table for table in after.all_tables if after.columns_of(table) - before.columns_of(table)}


def _tables_of(columns: Collection[str]) -> set[str]:
    return {column.rpartition(".")[0] for column in columns}
