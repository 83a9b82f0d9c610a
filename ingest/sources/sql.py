"""A snapshot of database tables: every row of the mapped tables and of those joined to them, as of one moment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from ingest.changes import ChangeBatch, Failure, Row, RowChange, Truncation
from ingest.errors import MappingError, SourceError, SourceOutageError
from ingest.rendering import document_key
from ingest.row_values import MAX_KEY_BYTES, is_too_long, key_text
from ingest.sources import sqlite_values
from ingest.sources.scan import Clock, next_scan
from ingest.sources.sql_tables import keyed_table
from ingest.table_mapping import TablesMapping, walk_includes
from retrieval.types import SourcePosition

BATCH_ROWS = 500
# Drivers for addresses that name none; these are the ones installed with this package.
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_SCHEMES = ("sqlite", "postgresql", "mysql", "mariadb")


class SqlSource:
    """Rows of one database (SQLite, PostgreSQL, MySQL, MariaDB) named by an SQLAlchemy URL.

    All tables are read in one repeatable-read transaction. Tables are named `schema.table`; SQLite's schema is
    `main`, MySQL's the database. Position: (scan number,). The cursor holds the last scan number. After the rows of
    a table that is only joined comes a truncation of what older scans had seen there, so that rows which are gone are
    forgotten. Tables that become documents are swept of them at the end, unless `mirror` is False: then the rows stay.
    """

    kind = "sql"

    def __init__(
        self,
        url: str,
        mapping: TablesMapping,
        name: str = "",
        clock: Clock = time.time,
        connect_args: Mapping[str, Any] | None = None,
        *,
        mirror: bool = True,
    ) -> None:
        self._url = _url(url)
        self._mapping = mapping
        self.name = name or _name(self._url)
        self.mirror = mirror
        self._clock = clock
        self._connect_args = dict(connect_args or {})  # of the driver, such as for TLS

    def check(self) -> None:
        """Raises as `poll` does where the database or one of the mapping's tables cannot be read."""
        with self._connected() as connection:
            for name in self._order():
                self._reflect(connection, name)

    def poll(self, cursor: str | None) -> Iterator[ChangeBatch]:
        """Batches of rows, joined tables first, so that documents are rendered once and whole.

        Raises `SourceError` for a wrong address or permission, `SourceOutageError` when the server does not answer,
        `MappingError` for tables and columns that do not exist, before anything is read.
        """
        scan = next_scan(int(cursor) if cursor else None, self._clock)
        with self._connected() as connection:
            tables = [self._reflect(connection, name) for name in self._order()]
            for name, table in zip(self._order(), tables, strict=True):
                yield from self._rows(connection, name, table, scan)
        yield ChangeBatch(cursor=str(scan), whole=True, sweeps=self._sweeps(scan))

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        engine = sa.create_engine(self._url, connect_args=self._connect_args)
        try:
            with _connect(engine) as connection:
                yield connection
        except exc.OperationalError as error:
            raise SourceOutageError(
                f"database {self.name} does not serve us: {_first_line(error)}; check address and login, or retry when "
                "it runs"
            ) from error
        except exc.SQLAlchemyError as error:
            raise SourceError(
                f"database {self.name} cannot be read: {_first_line(error)}; check URL and rights"
            ) from error
        finally:
            engine.dispose()

    def _sweeps(self, scan: int) -> tuple[Truncation, ...]:
        """What empties the tables that become documents of rows from before this scan."""
        return tuple(_older(table, scan) for table in sorted(self._mapping.tables)) if self.mirror else ()

    def _order(self) -> list[str]:
        """Each table after those that it joins; by name where tables join each other."""
        mapped = self._mapping.tables
        order = sorted(self._mapping.all_tables - mapped.keys())
        begun = set(order)

        def place(table: str) -> None:
            if table not in begun:
                begun.add(table)
                for joined in sorted(include.table for _, include in walk_includes(mapped[table].include)):
                    place(joined)
                order.append(table)

        for table in sorted(mapped):
            place(table)
        return order

    def _reflect(self, connection: sa.Connection, name: str) -> sa.Table:
        schema, _, table = name.partition(".")
        inspector = sa.inspect(connection)
        schemas = inspector.get_schema_names()
        tables = inspector.get_table_names(schema=schema) if schema in schemas else []
        if table not in tables:
            known = [f"{schema}.{other}" for other in tables] or [f"{other}.…" for other in schemas]
            raise MappingError(f"table {name} does not exist in {self.name}; known tables: {', '.join(sorted(known))}")
        reflected = keyed_table(connection, name)
        self._mapping.check_columns(name, reflected.columns.keys())
        return reflected

    def _rows(self, connection: sa.Connection, name: str, table: sa.Table, scan: int) -> Iterator[ChangeBatch]:
        keys = [column.name for column in table.primary_key.columns]
        position, now = SourcePosition((scan,)), datetime.now(UTC)
        is_sqlite = connection.dialect.name == "sqlite"
        columns = sqlite_values.raw_columns(table) if is_sqlite else table.columns
        decoders = sqlite_values.decoders(table) if is_sqlite else {}
        query = sa.select(*columns).order_by(*table.primary_key.columns)
        result = connection.execution_options(stream_results=True, yield_per=BATCH_ROWS).execute(query)
        for rows in result.mappings().partitions(BATCH_ROWS):
            read = [_change(name, _decoded(row, decoders), keys, position, now) for row in rows]
            yield ChangeBatch(
                failures=tuple(one for one in read if isinstance(one, Failure)),
                row_changes=tuple(one for one in read if isinstance(one, RowChange)),
            )
        if name not in self._mapping.tables:
            yield ChangeBatch(row_changes=(_older(name, scan),))


def _older(table: str, scan: int) -> Truncation:
    return Truncation(table, SourcePosition((scan - 1,)), datetime.now(UTC))


def _decoded(row: sa.RowMapping, decoders: Mapping[str, sqlite_values.Decoder]) -> dict[str, Any]:
    columns = {str(column): value for column, value in row.items()}
    return columns | {column: decode(columns[column]) for column, decode in decoders.items()}


def _change(table: str, row: Row, keys: Sequence[str], position: SourcePosition, at: datetime) -> RowChange | Failure:
    """The row as it is now, a failure where nothing can be found by its key."""
    nulls = [key for key in keys if row[key] is None]
    if nulls:  # SQLite allows any number of such rows
        reason = f"a row of {table} has no value in {', '.join(nulls)} of its primary key"
        return Failure(document_key(table, ""), reason, "give it one", position=position)
    key = key_text([row[key] for key in keys])
    if is_too_long(key):
        reason = f"the primary key {key:.80}… of a row of {table} is longer than {MAX_KEY_BYTES:,} bytes"
        return Failure(document_key(table, key[:200]), reason, "give the row a shorter one", position=position)
    return RowChange(table, key, row, position, at)


def _url(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except exc.ArgumentError as error:
        raise SourceError(f"{text!r} is no database URL; expected such as postgresql://user@host/database") from error
    if url.get_backend_name() not in (*_SCHEMES, "postgres"):
        raise SourceError(f"database {url.get_backend_name()!r} is not supported; expected {', '.join(_SCHEMES)}")
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).is_file()):
        raise SourceError(f"SQLite file {url.database!r} does not exist; write sqlite:///PATH")
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def _name(url: sa.URL) -> str:
    """The address as every reader may see it: without a password, which libpq also takes behind the question mark.

    A file of SQLite is named by its whole path: from another folder the same words mean another database.
    """
    secret = [option for option in url.query if "pass" in option.lower()]
    url = url.difference_update_query(secret).set(drivername=url.get_backend_name())
    if url.get_backend_name() == "sqlite":
        url = url.set(database=str(Path(url.database or "").resolve()))
    return url.render_as_string(hide_password=True)


def _connect(engine: sa.Engine) -> sa.Connection:
    """A connection that sees all tables as of one moment."""
    connection = engine.connect()
    if connection.dialect.name == "sqlite":
        if (driver := connection.connection.driver_connection) is not None:
            driver.text_factory = sqlite_values.text
        connection.exec_driver_sql("BEGIN")  # the driver itself begins only before a write
        return connection
    if connection.dialect.name == "postgresql":
        from ingest.sources.postgres_values import keep_odd_values

        keep_odd_values(connection)
    return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _first_line(error: exc.SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
