"""What is stored of a source's rows, fitted to another mapping.

Rows are found by joins through links, which are made as rows come: a join by another column would find none of those
that came before. Rows of a table that no mapping reads hear of no deletion any more, so they go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.rows import living_page


@dataclass(frozen=True, slots=True)
class TableUse:
    """How a mapping uses a table: the columns that joins find its rows by, and what changed since the last mapping."""

    link_columns: frozenset[str]
    new_links: bool  # other columns than before
    new_columns: bool  # the database sends other columns than before; what is known of them says nothing now


def refit_rows(
    connection: sa.Connection, source_id: int, tables: Mapping[str, TableUse], value: Callable[[Any], str | None]
) -> None:
    """Drop what is kept of other tables, and make the links of those that are joined by other columns.

    `value`: a column's value as links write it, None where it joins nothing. The caller has overtaken all workers.
    """
    for kept in (schema.source_row_links, schema.source_rows, schema.source_tables):
        gone = (kept.c.source_id == source_id) & kept.c.table_name.not_in(sorted(tables))
        connection.execute(kept.delete().where(gone))
    seen = [table for table, use in tables.items() if use.new_columns]
    t = schema.source_tables.c
    mine = (t.source_id == source_id) & t.table_name.in_(seen)
    connection.execute(schema.source_tables.update().where(mine).values(columns=None))
    for table, use in tables.items():
        if use.new_links:
            _link_anew(connection, source_id, table, use.link_columns, value)


def _link_anew(
    connection: sa.Connection,
    source_id: int,
    table: str,
    columns: frozenset[str],
    value: Callable[[Any], str | None],
) -> None:
    links = schema.source_row_links
    of_table = (links.c.source_id == source_id) & (links.c.table_name == table)
    connection.execute(links.delete().where(of_table))
    page = living_page(connection, source_id, table)
    while page:
        written = [
            {"source_id": source_id, "table_name": table, "column_name": column, "value": text, "row_key": key}
            for key, row in page.items()
            for column in sorted(columns)
            if (text := value(row.get(column))) is not None
        ]
        if written:
            connection.execute(links.insert(), written)
        page = living_page(connection, source_id, table, list(page)[-1])
