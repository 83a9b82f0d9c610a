"""Values of PostgreSQL that Python has no form for, such as the date `infinity`: read as PostgreSQL writes them.

The driver raises for them, which would end a source for the sake of one row. And arrays of types that the driver does
not know, such as `citext`, which it gives as their text. Points, and what PostGIS adds, become well-known text, as they
do when they come by a log.
"""

from __future__ import annotations

import re
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo

from ingest.sources.geometry import geometry_text, point_text

# Enumerations are left out: SQLAlchemy itself reads the text of their arrays.
_OWN_TYPES = """
    SELECT oid::regtype::text, oid, typarray, typbasetype FROM pg_catalog.pg_type
    WHERE typtype IN ('b', 'd') AND typarray <> 0 AND oid >= 16384
"""
_TYPES = ("date", "timestamp", "timestamptz", "time", "timetz", "interval")
_POSTGIS = ("geometry", "geography")
_NUMBER = r"(-?[\w.+-]+)"  # also Infinity and NaN
_POINT = re.compile(rf"\({_NUMBER},{_NUMBER}\)")


def keep_odd_values(connection: sa.Connection) -> None:
    """Let the connection, one to PostgreSQL, give the text of a date or time that Python cannot hold.

    Points, and geometries of PostGIS, become well-known text. Arrays of types of the database's own, and of its
    domains, become lists of what their elements are read as. Must be called outside a transaction.
    """
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    for name in _TYPES:
        usual = driver.adapters.get_loader(driver.adapters.types[name].oid, Format.TEXT)
        driver.adapters.register_loader(name, _lenient(usual))
    driver.adapters.register_loader("point", _PointText)
    own = driver.execute(_OWN_TYPES).fetchall()
    if not driver.autocommit:
        driver.rollback()  # the isolation of what follows is set only before it begins
    for name, number, array, base in own:
        if base and (usual := driver.adapters.get_loader(base, Format.TEXT)) is not None:
            driver.adapters.register_loader(number, usual)
        elif name.rpartition(".")[2] in _POSTGIS:
            driver.adapters.register_loader(number, _GeometryText)
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


class _PointText(Loader):
    """A point as `POINT(1.5 -2)`."""

    def load(self, data: Buffer) -> str:
        """The text; as PostgreSQL writes it where that is no pair of numbers."""
        text = bytes(data).decode()
        found = _POINT.fullmatch(text)
        return text if found is None else point_text(map(float, found.groups()))


class _GeometryText(Loader):
    """A geometry or geography of PostGIS, which it writes in hexadecimal digits, as well-known text."""

    def load(self, data: Buffer) -> str:
        """The text; as PostGIS writes it where the geometry is of a kind that we do not know."""
        text = bytes(data).decode()
        try:
            return geometry_text(bytes.fromhex(text))
        except ValueError:
            return text
