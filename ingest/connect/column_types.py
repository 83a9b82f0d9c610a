"""The SQL type of each column, as the database itself prints it, by which messages without schemas are read."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from ingest.connect.address import DatabaseAddress
from ingest.connect.tables import reading

# A domain travels as the type that it is made of.
_POSTGRESQL = sa.text("""
    WITH RECURSIVE found (number, name, type, modifier) AS (
        SELECT a.attnum, a.attname, a.atttypid, a.atttypmod
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = :schema AND c.relname = :table AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT f.number, f.name, t.typbasetype, t.typtypmod
        FROM found f JOIN pg_type t ON t.oid = f.type WHERE t.typtype = 'd'
    )
    SELECT f.name, format_type(f.type, f.modifier)
    FROM found f JOIN pg_type t ON t.oid = f.type WHERE t.typtype <> 'd' ORDER BY f.number""")


def column_types(address: DatabaseAddress, tables: Iterable[str]) -> dict[str, dict[str, str]]:
    """Type by column by `schema.table`, in the words of `format_type` (PostgreSQL) or `column_type` (MySQL, MariaDB).

    A table that is not there is left out. Raises `SourceError`, `SourceOutageError`.
    """
    read = _postgresql if address.engine == "postgresql" else _mysql
    with reading(address) as connection:
        found = {table: read(connection, *table.split(".", 1)) for table in tables}
    return {table: types for table, types in found.items() if types}


def _postgresql(connection: sa.Connection, schema: str, table: str) -> dict[str, str]:
    rows = connection.execute(_POSTGRESQL, {"schema": schema, "table": table})
    return {str(name): str(kind) for name, kind in rows}


def _mysql(connection: sa.Connection, schema: str, table: str) -> dict[str, str]:
    quote = connection.dialect.identifier_preparer.quote_identifier
    try:
        rows = connection.exec_driver_sql(f"SHOW COLUMNS FROM {quote(schema)}.{quote(table)}")
    except sa.exc.ProgrammingError:  # no such table
        return {}
    return {str(row[0]): str(row[1]) for row in rows}
