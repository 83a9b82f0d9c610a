"""One clock for processes on several machines: the database's."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from retrieval.catalog import schema


def database_now(connection: sa.Connection) -> datetime:
    """The present moment by PostgreSQL's clock; by this machine's where SQLite keeps all processes on it anyway."""
    if connection.dialect.name != "postgresql":
        return schema.utc_now()
    now: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now
