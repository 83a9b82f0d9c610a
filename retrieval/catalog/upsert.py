"""INSERT … ON CONFLICT in the dialect of the connection; SQLAlchemy Core has it per dialect only.

Making such a statement takes longer than running it for one row, so each is made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that can say what happens on conflict."""
    return _insert(connection.dialect.name, table)


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    """Insert rows, replacing those with the same key."""
    if not rows:
        return
    connection.execute(_upsert(connection.dialect.name, table, tuple(rows[0]), tuple(key)), list(rows))


@cache
def _insert(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@cache
def _upsert(dialect: str, table: sa.Table, columns: tuple[str, ...], key: tuple[str, ...]) -> sa.Insert:
    statement = _insert(dialect, table)
    replaced = {name: statement.excluded[name] for name in columns if name not in key}
    return statement.on_conflict_do_update(index_elements=list(key), set_=replaced)
