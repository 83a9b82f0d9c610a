"""What must be read again when the mapping of a live source changes."""

from __future__ import annotations

from collections.abc import Collection

from ingest.table_mapping import TablesMapping


def tables_to_read(before: TablesMapping, after: TablesMapping, new_columns: Collection[str]) -> set[str]:
    """Tables that are new, shown differently, or of which columns (`schema.table.column`) were not sent before.

    Reading a mapped table again renders its documents by the new mapping, from rows that are stored where joined.
    """
    new = set(after.all_tables) - set(before.all_tables)
    wider = {column.rpartition(".")[0] for column in new_columns} & set(after.all_tables)
    shown = {table for table, spec in after.tables.items() if before.tables.get(table) != spec}
    return new | wider | shown
