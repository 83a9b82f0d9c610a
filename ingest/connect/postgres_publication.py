"""Publications of a PostgreSQL database: ours, and an operator's that serves as well."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import psycopg
from psycopg import sql

# Without it the changes of a partitioned table travel under its partitions' names, which nobody reads.
_VIA_ROOT = "publish_via_partition_root = true"
_WITH_LISTS = 150_000  # publications may leave out columns and rows
_PUBLISHED = """
    SELECT p.pubname, t.schemaname || '.' || t.tablename, {left_out}
    FROM pg_publication p JOIN pg_publication_tables t USING (pubname)
         JOIN pg_namespace n ON n.nspname = t.schemaname
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
    WHERE p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AND {all_rows}
      AND t.schemaname || '.' || t.tablename = ANY(%s)"""
_LEFT_OUT = """
    ARRAY(SELECT t.schemaname || '.' || t.tablename || '.' || a.attname FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                AND a.attname <> ALL (t.attnames))"""


def create_publication(connection: psycopg.Connection[Any], name: str, tables: Sequence[str]) -> None:
    """Make one of exactly these tables. Raises `psycopg.Error`."""
    statement = sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH (" + _VIA_ROOT + ")")
    connection.execute(statement.format(sql.Identifier(name), _identifiers(tables)))


def change_publication(connection: psycopg.Connection[Any], name: str, tables: Sequence[str]) -> None:
    """Let ours hold exactly these tables. Raises `psycopg.Error`."""
    publication = sql.Identifier(name)
    statement = sql.SQL("ALTER PUBLICATION {} SET TABLE {}")
    connection.execute(statement.format(publication, _identifiers(tables)))
    connection.execute(sql.SQL("ALTER PUBLICATION {} SET (" + _VIA_ROOT + ")").format(publication))


def publication_sql(tables: Sequence[str]) -> str:
    """The statement that makes a publication of these tables, for a person."""
    named = ", ".join(".".join(f'"{part}"' for part in table.split(".", 1)) for table in tables)
    return f"CREATE PUBLICATION kb FOR TABLE {named} WITH ({_VIA_ROOT});"


def published(connection: psycopg.Connection[Any], tables: Collection[str]) -> dict[str, dict[str, set[str]]]:
    """By publication, those of the tables that it sends every row and kind of change of, under their own names.

    Each with the columns, as `schema.table.column`, that it leaves out.
    """
    lists = connection.info.server_version >= _WITH_LISTS
    query = _PUBLISHED.format(
        left_out=_LEFT_OUT if lists else "ARRAY[]::text[]", all_rows="t.rowfilter IS NULL" if lists else "true"
    )
    found: dict[str, dict[str, set[str]]] = {}
    for publication, table, left_out in connection.execute(query.encode(), (list(tables),)):
        found.setdefault(publication, {})[table] = set(left_out)
    return found


def covering_publications(connection: psycopg.Connection[Any], tables: Sequence[str]) -> dict[str, set[str]]:
    """The operators' publications of all these tables, by name, each with the columns that it leaves out."""
    return {
        name: set().union(*held.values())
        for name, held in sorted(published(connection, tables).items())
        if held.keys() == set(tables) and not (name.startswith("kb_") and "_" in name[3:])  # other sources' own
    }


def covering_publication(
    connection: psycopg.Connection[Any], tables: Sequence[str], excluded: Collection[str] = ()
) -> str | None:
    """One that leaves out no columns but `excluded`."""
    found = covering_publications(connection, tables)
    return next((name for name, left_out in found.items() if left_out <= set(excluded)), None)


def _identifiers(tables: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*table.split(".", 1)) for table in tables)
