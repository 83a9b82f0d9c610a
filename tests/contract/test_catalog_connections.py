"""Connections of a catalog on PostgreSQL that the server ended: found out before use, or told and mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from local_postgres import end_connections
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from retrieval.catalog import Catalog, engine
from retrieval.errors import OutageError

pytestmark = pytest.mark.server


@pytest.fixture
def catalog(fresh_postgres: str) -> Iterator[Catalog]:
    opened = Catalog(fresh_postgres)
    yield opened
    opened.close()


@pytest.fixture
def end(postgres_url: str, fresh_postgres: str) -> Callable[[], None]:
    """Ends the catalog's connections as a restart of the server does."""

    def end_all() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            end_connections(admin, urlsplit(fresh_postgres).path[1:])

    return end_all


@pytest.mark.parametrize("idle_seconds", [0.0, 60.0], ids=["asked before use", "used a moment ago"])
def test_a_connection_that_ended_between_uses_is_replaced(
    catalog: Catalog, end: Callable[[], None], monkeypatch: pytest.MonkeyPatch, idle_seconds: float
) -> None:
    monkeypatch.setattr(engine, "IDLE_SECONDS", idle_seconds)
    catalog.collections.create("docs", "hash", "f")
    end()
    assert [one.name for one in catalog.collections.all()] == ["docs"]


def test_one_that_is_used_a_moment_ago_is_not_asked(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "IDLE_SECONDS", 60.0)
    catalog.collections.create("docs", "hash", "f")
    monkeypatch.setattr(PGDialect_psycopg, "do_ping", lambda *_: pytest.fail("a round trip for nothing"))
    assert [one.name for one in catalog.collections.all()] == ["docs"]


def test_one_that_ended_in_use_is_told_once(catalog: Catalog, fresh_postgres: str, end: Callable[[], None]) -> None:
    catalog.collections.create("docs", "hash", "f")
    opened = engine.open_engine(fresh_postgres)
    with pytest.raises(OutageError, match="check that the catalog's database runs"), engine.reading(opened) as used:
        end()
        used.exec_driver_sql("SELECT 1")
    with engine.reading(opened) as used:
        assert used.exec_driver_sql("SELECT 1").scalar() == 1
    opened.dispose()


def test_a_read_without_a_transaction_leaves_none_behind(fresh_postgres: str) -> None:
    opened = engine.open_engine(fresh_postgres)
    with engine.reading_once(opened) as connection:
        connection.exec_driver_sql("SELECT 1")
        driver = connection.connection.driver_connection
        assert driver is not None and driver.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    with engine.writing(opened) as connection:  # the same connection, in a transaction again
        connection.exec_driver_sql("SELECT 1")
        driver = connection.connection.driver_connection
        assert driver is not None and driver.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    opened.dispose()


def test_a_database_that_takes_no_writes_says_so(
    catalog: Catalog, postgres_url: str, fresh_postgres: str, end: Callable[[], None]
) -> None:
    """As a standby does, or a provider's server whose disk is full."""
    name = urlsplit(fresh_postgres).path[1:]
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    end()
    with pytest.raises(OutageError, match="read-only transaction; .* that takes writes"):
        catalog.collections.create("docs", "hash", "f")
    assert catalog.collections.all() == []
