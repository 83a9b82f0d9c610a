"""From a connected database to documents: sources and workers together, compared with what SQL says at every step."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live_world import PRODUCTS, LiveWorld, live_world, postgres_database, query
from stack import StackOf
from waiting import eventually
from worker_world import running

from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker
from retrieval.errors import NotFoundError
from retrieval.types import OPERATOR

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(300)]
BY_CATEGORY = """
    SELECT 'public.products/' || product_id,
           product_name || ', ' || quantity_per_unit || E'\\nCategory: ' || category_name
    FROM products JOIN categories USING (category_id)"""
BY_SUPPLIER = """
    SELECT 'public.products/' || product_id, product_name || ' by ' || company_name
    FROM products JOIN suppliers USING (supplier_id)"""


@pytest.fixture
def served(stack_of: StackOf, tmp_path: Path) -> Iterator[LiveWorld]:
    with live_world(stack_of("postgres", "kafka", "connect"), tmp_path) as opened:
        yield opened


@pytest.fixture
def northwind(stack_of: StackOf, data_dir_public: Path) -> Iterator[str]:
    with postgres_database(stack_of("postgres"), data_dir_public / "sql_northwind/northwind_postgresql.sql") as url:
        yield url


def test_documents_equal_the_database_through_all_that_a_source_goes_through(served: LiveWorld, northwind: str) -> None:
    with running(open_worker(served.api.kb, WorkerMetrics())):
        assert served.create("shop", northwind, collection="shop").status_code == 201
        same(served, northwind, BY_CATEGORY)

        query(northwind, "UPDATE categories SET category_name = 'Getränke' WHERE category_id = 1")
        query(northwind, "ALTER TABLE order_details DROP CONSTRAINT fk_order_details_products")
        query(northwind, "UPDATE products SET product_id = 500 WHERE product_id = 77")
        query(northwind, "INSERT INTO products VALUES (900, '新しい茶', 1, 1, '3 boxes', 1, 1, 1, 1, 0)")
        same(served, northwind, BY_CATEGORY)

        assert served.call("POST", "/shop/pause?collection=shop").status_code == 200
        query(northwind, "DELETE FROM products WHERE product_id = 900")
        assert served.call("POST", "/shop/resume?collection=shop").status_code == 200
        same(served, northwind, BY_CATEGORY)

        tables = copy.deepcopy(PRODUCTS)
        tables["public.products"] |= {
            "body": "{product_name} by {supplier.company_name}",
            "include": {"supplier": {"table": "public.suppliers", "on": {"supplier_id": "supplier_id"}}},
        }
        changed = served.call("PATCH", "/shop?collection=shop", json={"tables": tables})
        assert changed.status_code == 200, changed.text
        same(served, northwind, BY_SUPPLIER)

        forget_a_row_behind_its_back(served, northwind)
        assert served.call("POST", "/shop/snapshot?collection=shop", json={"full": True}).status_code == 202
        monitor = served.api.app.state.services.source_monitor
        same(served, northwind, BY_SUPPLIER, meanwhile=monitor.look)

        deleted = served.call("DELETE", "/shop?collection=shop").json()
        assert deleted["leftovers"] == []
        assert deleted["deleted_documents"] > 70
        assert documents(served) == {}


def forget_a_row_behind_its_back(served: LiveWorld, northwind: str) -> None:
    """As a restored backup does: while the source rests, its slot is moved past a deletion that nobody reads."""
    assert served.call("POST", "/shop/pause?collection=shop").status_code == 200
    active = "SELECT 1 FROM pg_replication_slots WHERE database = current_database() AND active"
    eventually(lambda: query(northwind, active) == [])
    query(northwind, "DELETE FROM products WHERE product_id = 10")
    query(
        northwind,
        "SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots "
        "WHERE database = current_database()",
    )


def same(served: LiveWorld, url: str, sql: str, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Wait until the documents are what the statement says: key and text."""

    def look() -> dict[str, tuple[str | None, str | None]]:
        meanwhile()
        wanted, found = dict(query(url, sql)), documents(served)
        keys = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        return {key: (wanted.get(key), found.get(key)) for key in keys}

    eventually(look, lambda different: different == {})


def documents(served: LiveWorld) -> dict[str, str]:
    """Key and text of every living document of the collection."""
    catalog = served.api.kb.catalog
    collection = catalog.collections.get("shop")
    found = {}
    for key in catalog.documents.keys(collection):
        with contextlib.suppress(NotFoundError):  # deleted meanwhile
            found[key] = catalog.documents.get(collection, key, OPERATOR).document.text
    return found
