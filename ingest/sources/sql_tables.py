"""Tables of a database as they are there, their columns read as a source's rows are meant."""

from __future__ import annotations

import sqlalchemy as sa

from ingest.errors import MappingError
from ingest.sources.mysql_values import read_as_meant


def keyed_table(connection: sa.Connection, name: str) -> sa.Table:
    """The table `schema.table`.

    Raises `MappingError` where it has no primary key, `sqlalchemy.exc.NoSuchTableError` where it is not there.
    """
    schema, _, table = name.partition(".")
    found = sa.Table(
        table,
        sa.MetaData(),
        schema=schema,
        autoload_with=connection,
        resolve_fks=False,
        listeners=[("column_reflect", read_as_meant)],
    )
    if not found.primary_key.columns:
        raise MappingError(f"table {name} has no primary key, by which its rows are known; give it one")
    return found
