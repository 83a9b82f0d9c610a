"""Columns of MySQL and MariaDB that a connector cannot read, although a SELECT can."""

from __future__ import annotations

from collections.abc import Sequence

from pymysql.cursors import DictCursor

from ingest.connect.inspection import Finding

# Debezium's parsers (MariaDB 3.5.0, MySQL 3.6.1) refuse a statement with one of these. It then knows nothing of the
# table and fails at its first row, whichever columns are needed.
UNPARSED = ("inet4", "inet6", "xmltype")
# Of MariaDB's compressed columns their reader of the log does not know the type.
_UNREAD = """
    SELECT column_name AS name, column_type AS type FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s AND (data_type IN %s OR column_type LIKE '%%/*M!%% COMPRESSED*/%%')
    ORDER BY ordinal_position"""


def unread_columns(cursor: DictCursor, tables: Sequence[str]) -> list[Finding]:
    """MySQL, MariaDB: an error for each column of a type that Debezium does not know."""
    expected = "a type that Debezium knows, in columns that no mapping names too"
    remedy = "change it, to varchar for example, or keep the column in another table"
    found = []
    for table in tables:
        cursor.execute(_UNREAD, (*table.split(".", 1), UNPARSED))
        for row in cursor.fetchall():
            found.append(Finding(f"column {table}.{row['name']}", "error", f"{row['type']}", expected, remedy))
    return found
