"""Opens the catalog's database and brings its schema up to date."""

from __future__ import annotations

import math
import select
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url

from retrieval.catalog import json_text
from retrieval.disk import is_open_for_reading_alone, remedy
from retrieval.errors import InvalidInputError, NotFoundError, OutageError

SQLITE_BUSY_TIMEOUT_MS = 30_000  # how long a writer waits for another process's transaction
WRITES = {"kb_writes": True}  # execution option: take SQLite's write lock at BEGIN, not at the first write
SINGLE: dict[str, dict[str, Any]] = {  # execution options: no transaction around statements that read
    "sqlite": {"kb_single": True},
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
}
_LIMIT_EXCEEDED = "54000"  # PostgreSQL's program_limit_exceeded: an index entry that is too large
IDLE_SECONDS = 1.0  # after which a connection is asked whether it still lives before it is used
_JSON: dict[str, Any] = {"json_serializer": json_text.written, "json_deserializer": json_text.read}
ONE_STATE = {"postgresql": {"isolation_level": "REPEATABLE READ"}}  # by default each statement there sees a later one


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite catalog in that file."""
    return f"sqlite:///{path}"


def open_engine(url: str) -> sa.Engine:
    """An engine for SQLite (WAL) or PostgreSQL. Raises `InvalidInputError` for other databases."""
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite_engine(parsed)
    if backend == "postgresql":
        driver = parsed.set(drivername="postgresql+psycopg")
        engine = sa.create_engine(driver, pool_size=10, json_serializer=json_text.written)
        _check_idle_connections(engine)
        return engine
    raise InvalidInputError(
        f"catalog_url names a {backend} database; expected sqlite or postgresql (sources may be of other kinds)"
    )


def _check_idle_connections(engine: sa.Engine) -> None:
    """Make connections anew that the server ended meanwhile: after a restart the next use finds it up at once.

    As SQLAlchemy's `pool_pre_ping`, but without a round trip before each use of a connection that just answered: where
    the server closed it, its socket has something to read, which the kernel tells in microseconds.
    """

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: sa.pool.ConnectionPoolEntry, _proxy: Any) -> None:
        is_fresh = time.monotonic() - record.info.get("used_at", math.inf) < IDLE_SECONDS
        if is_fresh and not _has_news(connection.fileno()):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise sa.exc.InvalidatePoolError from error  # the pool opens others


def _has_news(socket: int) -> bool:
    """Whether there is something to read: nobody asked anything, so the server has said farewell, or has closed it."""
    asked = select.poll()
    asked.register(socket, select.POLLIN)
    return bool(asked.poll(0))


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=10, max_overflow=40, **_JSON)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # a 200 must survive a power cut, not only kill -9
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA cache_size=-32768")  # KiB
        connection.execute("PRAGMA mmap_size=268435456")  # bytes
        connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows ASCII only

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("kb_writes"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif not options.get("kb_single"):  # one statement sees one state by itself
            connection.exec_driver_sql("BEGIN")

    return engine


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction that writes; commits at the end, rolls back on any error. Raises `OutageError` when it cannot.

    Raises `NotFoundError` where a row refers to one that another transaction deleted, `InvalidInputError` for values
    that the database does not take.
    """
    try:
        with engine.connect().execution_options(**WRITES) as connection, connection.begin():
            yield connection
    except sa.exc.IntegrityError as error:
        if not _refers_to_nothing(error.orig):
            raise
        raise NotFoundError("what this belongs to was deleted meanwhile, such as its collection") from error
    except sa.exc.InternalError as error:
        if remedy(error.orig) is None:
            raise
        raise outage(error.orig) from error  # PostgreSQL takes no writes now
    except (sa.exc.OperationalError, sa.exc.DataError) as error:
        if is_open_for_reading_alone(error.orig):
            engine.dispose()  # so that a later write opens it anew, when the disk takes writes again
        raise _refusal(error) from error


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction that only reads a single state of the catalog. Raises `OutageError` when it cannot.

    Raises `InvalidInputError` for values that the database does not take, such as numbers that no column holds.
    """
    try:
        options = ONE_STATE.get(engine.dialect.name, {})
        with engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
    except (sa.exc.OperationalError, sa.exc.DataError) as error:
        raise _refusal(error) from error


@contextmanager
def reading_once(engine: sa.Engine) -> Iterator[sa.Connection]:
    """As `reading`, where each statement may see a state of its own: cheaper."""
    try:
        with engine.connect().execution_options(**SINGLE[engine.dialect.name]) as connection:
            yield connection
    except (sa.exc.OperationalError, sa.exc.DataError) as error:
        raise _refusal(error) from error


def _refusal(error: sa.exc.DBAPIError) -> InvalidInputError | OutageError:
    """What to raise for what the database does not do: it may be a value's fault, or the database's."""
    if isinstance(error, sa.exc.DataError) or getattr(error.orig, "sqlstate", "") == _LIMIT_EXCEEDED:
        reason = str(error.orig).strip().partition("\n")[0]
        return InvalidInputError(
            f"the catalog's database refuses a value: {reason}; mend or shorten it where it comes from"
        )
    return outage(error.orig)


def _refers_to_nothing(error: Any) -> bool:
    """Whether the database refused a foreign key."""
    return getattr(error, "sqlstate", "") == "23503" or getattr(error, "sqlite_errorname", "").endswith("_FOREIGNKEY")


def outage(error: BaseException | None) -> OutageError:
    """The driver's refusal in words for an operator: disk full, locked, or not answering."""
    reason = " ".join(str(error).split())  # PostgreSQL's hints are lines of their own
    advice = remedy(error) or {
        "database is locked": "another process holds a long transaction; repeat, or stop it",
    }.get(
        reason,
        "check that the catalog's database runs and can be reached (setting KB_CATALOG_URL; `kb stack up` starts the "
        "stack's), then repeat",
    )
    return OutageError(f"the catalog cannot be used: {reason}; {advice}")


def migrate(engine: sa.Engine) -> None:
    """Bring the schema to the newest revision; harmless when it is there already, safe when two processes do it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(4210171)"))  # any constant of our own
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
