"""Values of PostgreSQL that Python has no form for, such as the date `infinity`: read as PostgreSQL writes them.

The driver raises for them, which would end a source for the sake of one row. And arrays of types that the driver does
not know, such as `citext`, which it gives as their text.
"""

from __future__ import annotations

from typing import Any, cast

import psycopg
import sqlalchemy as sa
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo

# Enumerations are left out: SQLAlchemy itself reads the text of their arrays.
_OWN_TYPES = """
    SELECT oid::regtype::text, oid, typarray, typbasetype FROM pg_catalog.pg_type
    WHERE typtype IN ('b', 'd') AND typarray <> 0 AND oid >= 16384
"""
_TYPES = ("date", "timestamp", "timestamptz", "time", "timetz", "interval")


def keep_odd_values(connection: sa.Connection) -> None:
    """Let the connection, one to PostgreSQL, give the text of a date or time that Python cannot hold.

    Arrays of types of the database's own, and of its domains, become lists of what their elements are read as. Must be
    called outside a transaction.
    """
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    for name in _TYPES:
        usual = driver.adapters.get_loader(driver.adapters.types[name].oid, Format.TEXT)
        driver.adapters.register_loader(name, _lenient(usual))
    own = driver.execute(_OWN_TYPES).fetchall()
    if not driver.autocommit:
        driver.rollback()  # the isolation of what follows is set only before it begins
    for name, number, array, base in own:
        if base and (usual := driver.adapters.get_loader(base, Format.TEXT)) is not None:
            driver.adapters.register_loader(number, usual)
        TypeInfo(name, number, array).register(driver)


def _lenient(usual: Any) -> type[Loader]:
    class Lenient(Loader):
        """The driver's own loader, or else the text."""

        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._usual = usual(oid, context)

        def load(self, data: Buffer) -> Any:
            """The value, or its text."""
            try:
                return self._usual.load(data)
            except psycopg.DataError:
                return bytes(data).decode()

    return Lenient
