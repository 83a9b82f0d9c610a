"""`/v1/sources` on the real servers: what is created streams, and what is deleted leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_world import check_native_error
from live_world import LiveWorld, live_world, postgres_database, query, rows, wait_until
from stack import StackOf

from infra.stack.stack import Stack

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def stack(stack_of: StackOf) -> Stack:
    return stack_of("postgres", "kafka", "connect")


@pytest.fixture(scope="module")
def served(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveWorld]:
    with live_world(stack, tmp_path_factory.mktemp("live")) as opened:
        yield opened


@pytest.fixture
def northwind(stack: Stack, data_dir_public: Path) -> Iterator[str]:
    with postgres_database(stack, data_dir_public / "sql_northwind" / "northwind_postgresql.sql") as url:
        yield url


def slots(url: str) -> list[str]:
    return [
        name for (name,) in query(url, "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")
    ]


def publications(url: str) -> list[str]:
    return [name for (name,) in query(url, "SELECT pubname FROM pg_publication")]


def test_a_created_source_streams_what_is_there_and_what_changes(served: LiveWorld, northwind: str) -> None:
    created = served.create("shop", northwind)
    assert created.status_code == 201, created.text
    shown = created.json()
    assert shown["state"] == "active"
    assert "***" in shown["url"]
    topic = f"{shown['topic_prefix']}.public.products"
    there = dict(query(northwind, "SELECT product_id, product_name FROM products"))
    seen = wait_until(lambda: rows(served, topic, "product_id"), lambda found: len(found) == len(there))
    assert {key: row["product_name"] for key, row in seen.items()} == there
    assert set(seen[1]) == {"product_id", "product_name", "quantity_per_unit", "category_id", "discontinued"}
    query(northwind, "UPDATE products SET product_name = 'Chai 新' WHERE product_id = 1")
    query(northwind, "DELETE FROM order_details WHERE product_id = 2")
    query(northwind, "DELETE FROM products WHERE product_id = 2")
    changed = wait_until(lambda: rows(served, topic, "product_id"), lambda found: 2 not in found)
    assert changed[1]["product_name"] == "Chai 新"

    deleted = served.call("DELETE", "/shop?collection=docs")
    assert deleted.status_code == 200, deleted.text
    assert deleted.json() == {"deleted_documents": 0, "leftovers": []}
    assert (slots(northwind), publications(northwind)) == ([], [])
    assert served.live._topics().of(shown["topic_prefix"]) == []
    check_native_error(served.call("DELETE", "/shop?collection=docs"), 404, "not_found")
