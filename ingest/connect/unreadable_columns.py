"""Columns that a connector cannot read, although a SELECT can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from pymysql.cursors import DictCursor

from ingest.connect.address import DatabaseAddress
from ingest.connect.inspection import Finding
from ingest.connect.tables import reading
from ingest.errors import MappingError
from ingest.table_mapping import TablesMapping

# Debezium's parsers (MariaDB 3.5.0, MySQL 3.6.1) refuse a statement with one of these. It then knows nothing of the
# table and fails at its first row, whichever columns are needed.
UNPARSED = ("inet4", "inet6", "xmltype")
_GENERATED = """
    SELECT wanted.name, a.attname FROM unnest(%s::text[], %s::oid[]) WITH ORDINALITY wanted(name, number, place)
    JOIN pg_attribute a ON a.attrelid = wanted.number
    WHERE a.attgenerated <> '' AND NOT a.attisdropped ORDER BY wanted.place, a.attnum"""
_UNPARSED = """
    SELECT column_name AS name, data_type AS type FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s AND data_type IN %s ORDER BY ordinal_position"""


def generated_columns(connection: psycopg.Connection[Any], ids: Mapping[str, int]) -> list[Finding]:
    """PostgreSQL: a warning for each column that its log does not have; tables by name, with their numbers."""
    remedy = "a mapping cannot name it, but what it is made of"
    return [
        Finding(f"column {table}.{name}", "warning", "generated, and not in the log", "", remedy)
        for table, name in connection.execute(_GENERATED, (list(ids), list(ids.values())))
    ]


def unparsed_columns(cursor: DictCursor, tables: Sequence[str]) -> list[Finding]:
    """MySQL, MariaDB: an error for each column of a type that Debezium does not know."""
    expected = "a type that Debezium knows, in columns that no mapping names too"
    remedy = "change it, to varchar for example, or keep the column in another table"
    found = []
    for table in tables:
        cursor.execute(_UNPARSED, (*table.split(".", 1), UNPARSED))
        for row in cursor.fetchall():
            found.append(Finding(f"column {table}.{row['name']}", "error", f"{row['type']}", expected, remedy))
    return found


def check_logged(address: DatabaseAddress, mapping: TablesMapping) -> None:
    """Raises `MappingError` where the mapping, or a key, needs a column that PostgreSQL generates.

    The log of its changes does not have them: what shows one would lose it with the next update of the row.
    """
    if address.engine != "postgresql":
        return
    with reading(address) as connection:
        inspector = sa.inspect(connection)
        for table in sorted(mapping.all_tables):
            schema, _, name = table.partition(".")
            key = inspector.get_pk_constraint(name, schema=schema)["constrained_columns"]
            needed = mapping.columns_of(table) | set(key)
            columns = inspector.get_columns(name, schema=schema)
            generated = [one["name"] for one in columns if "computed" in one and one["name"] in needed]
            if generated:
                raise MappingError(
                    f"table {table}: {', '.join(generated)} is generated, and the log of PostgreSQL does not have it; "
                    "name the columns that it is made of in the mapping"
                )
