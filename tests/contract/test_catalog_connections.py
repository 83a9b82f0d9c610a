"""Connections of a catalog on PostgreSQL that the server ended: found out before use, or told and mended."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from retrieval.catalog import Catalog, engine
from retrieval.errors import OutageError

pytestmark = pytest.mark.server


@pytest.fixture
def catalog(fresh_postgres: str) -> Iterator[Catalog]:
    opened = Catalog(fresh_postgres)
    yield opened
    opened.close()


def end_connections(server: str, database: str) -> None:
    """As a restart of the server does."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [urlsplit(database).path[1:]],
        )


def test_a_connection_that_ended_while_idle_is_replaced(
    catalog: Catalog, postgres_url: str, fresh_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IDLE_SECONDS", 0.0)
    catalog.collections.create("docs", "hash", "f")
    end_connections(postgres_url, fresh_postgres)
    assert [one.name for one in catalog.collections.all()] == ["docs"]


def test_one_that_ended_in_use_is_told_once(
    catalog: Catalog, postgres_url: str, fresh_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IDLE_SECONDS", 60.0)
    catalog.collections.create("docs", "hash", "f")
    end_connections(postgres_url, fresh_postgres)
    with pytest.raises(OutageError, match="check that the catalog's database runs"):
        catalog.collections.get("docs")
    assert catalog.collections.get("docs").name == "docs"


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
