"""Connections of a catalog on PostgreSQL that the server ended: found out before use, or told and mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from local_postgres import end_connections

from retrieval.catalog import Catalog, engine
from retrieval.errors import OutageError

pytestmark = pytest.mark.server


@pytest.fixture
def catalog(fresh_postgres: str) -> Iterator[Catalog]:
    opened = Catalog(fresh_postgres)
    yield opened
    opened.close()


@pytest.fixture
def used_and_ended(
    catalog: Catalog, postgres_url: str, fresh_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float], None]:
    """Uses the catalog, then ends its connections as a restart of the server does; idle is what rested so long."""

    def use_and_end(idle_seconds: float) -> None:
        monkeypatch.setattr(engine, "IDLE_SECONDS", idle_seconds)
        catalog.collections.create("docs", "hash", "f")
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            end_connections(admin, urlsplit(fresh_postgres).path[1:])

    return use_and_end


def test_a_connection_that_ended_while_idle_is_replaced(
    catalog: Catalog, used_and_ended: Callable[[float], None]
) -> None:
    used_and_ended(0.0)
    assert [one.name for one in catalog.collections.all()] == ["docs"]


def test_one_that_ended_in_use_is_told_once(catalog: Catalog, used_and_ended: Callable[[float], None]) -> None:
    used_and_ended(60.0)
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
