"""Values of PostgreSQL that Python has no form for, such as the date `infinity`: read as PostgreSQL writes them.

The driver raises for them, which would end a source for the sake of one row.
"""

from __future__ import annotations

from typing import Any, cast

import psycopg
import sqlalchemy as sa
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

_TYPES = ("date", "timestamp", "timestamptz", "time", "timetz", "interval")


def keep_odd_values(connection: sa.Connection) -> None:
    """Let the connection, one to PostgreSQL, give the text of a date or time that Python cannot hold."""
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    for name in _TYPES:
        usual = driver.adapters.get_loader(driver.adapters.types[name].oid, Format.TEXT)
        driver.adapters.register_loader(name, _lenient(usual))


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
