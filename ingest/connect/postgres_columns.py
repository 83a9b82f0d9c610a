"""Columns of PostgreSQL whose values do not come by the log, or not always, although a SELECT has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg
import sqlalchemy as sa

from ingest.connect.address import DatabaseAddress
from ingest.connect.inspection import Finding
from ingest.connect.tables import reading
from ingest.errors import MappingError
from ingest.table_mapping import TablesMapping

# Types of PostgreSQL of which Debezium 3.6.1 sends no column. It also leaves out composite types and multiranges.
_LEFT_OUT = {"box", "circle", "line", "lseg", "path", "polygon", "tsquery", "jsonpath", "pg_lsn", "xid", "xid8"}
# Arrays of these, and of domains, are left out too; a bit[] comes as a null.
_LEFT_OUT_ITEMS = _LEFT_OUT | {"bit", "bit varying", "interval", "money", "name", "point", "xml"}
# Arrays of these are marked where an update leaves a large one alone; any other one comes as a null.
_MARKED_ITEMS = {
    "bigint", "bytea", "character", "character varying", "integer", "json", "jsonb", "text", "uuid"
}  # fmt: skip
_COLUMNS = """
    SELECT wanted.name, a.attname, a.attgenerated <> '', a.attnotnull, a.atttypid <> kind.oid,
           format_type(kind.oid, NULL), kind.typtype::text, format_type(item.oid, NULL), item.typtype::text
    FROM unnest(%s::text[], %s::oid[]) WITH ORDINALITY wanted(name, number, place)
    JOIN pg_attribute a ON a.attrelid = wanted.number AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN LATERAL (
        WITH RECURSIVE base (oid, depth) AS (
            SELECT a.atttypid, 0
            UNION ALL
            SELECT t.typbasetype, b.depth + 1 FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd'
        )
        SELECT oid FROM base ORDER BY depth DESC LIMIT 1
    ) bottom
    JOIN pg_type kind ON kind.oid = bottom.oid
    LEFT JOIN pg_type item ON item.oid = kind.typelem AND kind.typcategory = 'A'
    ORDER BY wanted.place, a.attnum"""
_NUMBER = """
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s"""
_WITHOUT_WHOLE_ROWS = """
    SELECT wanted.name, string_agg(format('ALTER TABLE %%I.%%I REPLICA IDENTITY FULL;', n.nspname, c.relname), ' '
                                   ORDER BY c.oid)
    FROM unnest(%s::text[], %s::oid[]) wanted(name, number)
    CROSS JOIN LATERAL (SELECT number UNION SELECT relid::oid FROM pg_partition_tree(number)) member(oid)
    JOIN pg_class c ON c.oid = member.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relreplident <> 'f' GROUP BY wanted.name"""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of PostgreSQL with its type, that of a domain being the one it is made of."""

    table: str
    name: str
    is_generated: bool
    is_required: bool
    of_domain: bool
    type: str
    kind: str  # as pg_type.typtype has it
    item_type: str | None  # of an array
    item_kind: str | None

    @property
    def is_left_out(self) -> bool:
        """Whether Debezium sends nothing of it."""
        if self.item_kind is not None:
            return self.item_kind in "cdm" or self.item_type in _LEFT_OUT_ITEMS
        return self.kind in "cm" or self.type in _LEFT_OUT

    @property
    def is_lost_when_large(self) -> bool:
        """Whether an update that leaves a large value alone brings a null."""
        return self.item_type is not None and (self.of_domain or self.item_type not in _MARKED_ITEMS)


def unlogged_values(connection: psycopg.Connection[Any], ids: Mapping[str, int]) -> list[Finding]:
    """PostgreSQL: a warning for each column that its log does not have, and for each table that tells some not always.

    `ids` are the tables by name, with their numbers.
    """
    found, lost = [], dict[str, list[_Column]]()
    for column in _columns(connection, ids):
        check = f"column {column.table}.{column.name}"
        if column.is_generated:
            remedy = "a mapping cannot name it, but what it is made of"
            found.append(Finding(check, "warning", "generated, and not in the log", "", remedy))
        elif column.is_left_out:
            remedy = "a mapping cannot name it, but a column that holds it in another type"
            found.append(Finding(check, "warning", f"of type {column.type}, and not in the log", "", remedy))
        elif column.is_lost_when_large:
            lost.setdefault(column.table, []).append(column)
    rows = connection.execute(_WITHOUT_WHOLE_ROWS, (list(lost), [ids[table] for table in lost])).fetchall()
    return found + [_lost(table, lost[table], statements) for table, statements in rows]


def _columns(connection: psycopg.Connection[Any], ids: Mapping[str, int]) -> list[_Column]:
    return [_Column(*row) for row in connection.execute(_COLUMNS, (list(ids), list(ids.values())))]


def _lost(table: str, columns: Sequence[_Column], statements: str) -> Finding:
    """Of a table whose log leaves out large values that did not change, and where Debezium does not say so."""
    named = ", ".join(column.name for column in columns)
    found = f"without the large values of {named} that an update leaves alone: they come as nulls"
    if required := ", ".join(column.name for column in columns if column.is_required):
        found += f", at which the connector stops in {required}"
    remedy = "needed if such a value reaches 2 kB and the mapping names it"
    return Finding(f"log of {table}", "warning", found, "whole rows", remedy, statements)


def check_logged(address: DatabaseAddress, mapping: TablesMapping) -> None:
    """Raises `MappingError` where the mapping, or a key, needs a column that is not in PostgreSQL's log.

    What shows one would lose it with the next update of the row.
    """
    if address.engine != "postgresql":
        return
    with reading(address) as connection:
        inspector = sa.inspect(connection)
        driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
        for table in sorted(mapping.all_tables):
            schema, _, name = table.partition(".")
            number = driver.execute(_NUMBER, (schema, name)).fetchone()
            if number is None:
                continue  # which `unneeded_columns` tells
            key = inspector.get_pk_constraint(name, schema=schema)["constrained_columns"]
            needed = mapping.columns_of(table) | set(key)
            columns = [one for one in _columns(driver, {table: number[0]}) if one.name in needed]
            if generated := [one.name for one in columns if one.is_generated]:
                raise MappingError(
                    f"table {table}: {', '.join(generated)} is generated, and the log of PostgreSQL does not have it; "
                    "name the columns that it is made of in the mapping"
                )
            if left_out := [f"{one.name} is of type {one.type}" for one in columns if one.is_left_out]:
                raise MappingError(
                    f"table {table}: {', '.join(left_out)}, which Debezium leaves out of what it sends; name a column "
                    "that holds it in another type"
                )
