"""Tables of a database as they are there, their columns read as a source's rows are meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ingest.errors import MappingError
from ingest.sources import mysql_values, postgres_types
from ingest.sources.geometry_types import GeometryType

_GEOMETRIES: Mapping[str, Mapping[str, type[GeometryType]]] = {
    "postgresql": postgres_types.GEOMETRIES,
    "mysql": mysql_values.GEOMETRIES,
    "mariadb": mysql_values.GEOMETRIES,
}


def keyed_table(connection: sa.Connection, name: str) -> sa.Table:
    """The table `schema.table`.

    Raises `MappingError` where it has no primary key, `sqlalchemy.exc.NoSuchTableError` where it is not there.
    """
    schema, _, table = name.partition(".")
    know_geometries(connection.dialect)
    found = sa.Table(
        table,
        sa.MetaData(),
        schema=schema,
        autoload_with=connection,
        resolve_fks=False,
        listeners=[
            ("column_reflect", mysql_values.read_as_meant),
            ("column_reflect", postgres_types.read_as_meant),
        ],
    )
    if not found.primary_key.columns:
        raise MappingError(f"table {name} has no primary key, by which its rows are known; give it one")
    return found


def know_geometries(dialect: Any) -> None:
    """Let the engine of this dialect, and no other, recognise columns of geometries."""
    if geometries := _GEOMETRIES.get(dialect.name):
        dialect.ischema_names = {**dialect.ischema_names, **geometries}
