"""One statement of the hot path, compiled once and run on the driver itself.

SQLAlchemy's own execution takes longer than SQLite needs to answer a search's question (docs/measurements.md); here it
compiles the statement, lends the connection and says how each column is read, and stays out of the way of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from retrieval.catalog.engine import outage

Reader = Callable[[Any], Any]  # from what the driver gives to what the column holds


class PreparedRead:
    """A SELECT with named values. Each call sees one committed state."""

    def __init__(self, engine: sa.Engine, statement: sa.Select[Any]) -> None:
        compiled = statement.compile(engine)
        self._engine = engine
        self._sql = str(compiled)
        self._order = tuple(compiled.positiontup) if compiled.positional and compiled.positiontup else None
        self.readers = tuple(_reader(column.type, engine.dialect) for column in statement.selected_columns)

    def rows(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """What is found, as the driver gives it: `readers` has a function, or None, for each column.

        Raises `OutageError` when the database does not answer.
        """
        try:
            connection = self._engine.raw_connection()
        except sa.exc.OperationalError as error:
            raise outage(error.orig) from error
        try:
            cursor = connection.cursor()
            cursor.execute(self._sql, values if self._order is None else tuple(values[name] for name in self._order))
            found = list(cursor.fetchall())
            cursor.close()
        except self._engine.dialect.loaded_dbapi.OperationalError as error:
            connection.invalidate()
            raise outage(error) from error
        finally:
            connection.close()  # gives it back to the pool, which ends its transaction
        return found


def _reader(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Reader | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
