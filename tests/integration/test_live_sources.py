"""`/v1/sources` on the real servers: what is created streams, rests, is read again, and leaves nothing behind."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import change_events
import orjson
import psycopg
import pytest
from api_world import check_native_error
from forwarder import breakable
from live_world import (
    PRODUCTS,
    LiveWorld,
    events,
    live_world,
    postgres_database,
    query,
    role,
    rows,
)
from stack import StackOf
from waiting import eventually

from api.sources.monitor import OF_RUNNING
from api.sources.rereading import LOOKS
from infra.stack.stack import Stack
from ingest.connect.names import notification_topic, table_topics
from retrieval.catalog import Commit, Outcome
from retrieval.catalog.offsets import OffsetAdvance
from retrieval.types import Deletion, Document, SourcePosition

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(300)]
SLOTS = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
NOTHING: dict[str, list[Any]] = {"slots": [], "publications": []}


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


@pytest.fixture
def shop(served: LiveWorld, northwind: str) -> Iterator[dict[str, Any]]:
    """A source "shop" over Northwind's products, whose first snapshot is in its topics."""
    before = served.footprint()
    created = served.create("shop", northwind)
    assert created.status_code == 201, created.text
    eventually(lambda: served.status("shop")["snapshot"]["state"], lambda state: state == "completed")
    yield created.json() | {"topic": f"{created.json()['topic_prefix']}.public.products", "database": northwind}
    if "shop" in served.footprint()["sources"]:
        deleted = served.delete("shop")
        assert deleted.status_code == 200, deleted.text
        assert deleted.json()["leftovers"] == []
    assert (served.footprint(), held(northwind)) == (before, NOTHING)


def held(url: str) -> dict[str, list[Any]]:
    """What sources hold at a database."""
    return {"slots": query(url, SLOTS), "publications": query(url, "SELECT pubname FROM pg_publication")}


def test_a_created_source_streams_what_is_there_and_what_changes(served: LiveWorld, shop: dict[str, Any]) -> None:
    assert shop["state"] == "active"
    assert "***" in shop["url"]
    there = dict(query(shop["database"], "SELECT product_id, product_name FROM products"))
    seen = rows(served, shop["topic"], "product_id")
    assert {key: row["product_name"] for key, row in seen.items()} == there
    assert set(seen[1]) == {"product_id", "product_name", "quantity_per_unit", "category_id", "discontinued"}
    query(shop["database"], "UPDATE products SET product_name = 'Chai 新' WHERE product_id = 1")
    query(shop["database"], "DELETE FROM order_details WHERE product_id = 2")
    query(shop["database"], "DELETE FROM products WHERE product_id = 2")
    changed = eventually(lambda: rows(served, shop["topic"], "product_id"), lambda found: 2 not in found)
    assert changed[1]["product_name"] == "Chai 新"


def test_the_status_tells_snapshot_lag_and_slot(served: LiveWorld, shop: dict[str, Any]) -> None:
    status = served.status("shop")
    count = dict(
        query(shop["database"], "SELECT 'p', count(*) FROM products UNION SELECT 'c', count(*) FROM categories")
    )
    assert status["problems"] == []
    assert (status["connector"]["state"], status["connector"]["task_state"]) == ("RUNNING", "RUNNING")
    tables = status["snapshot"]["tables"]
    assert {table: told["rows"] for table, told in tables.items()} == {
        "public.products": count["p"],
        "public.categories": count["c"],
    }
    assert status["lag"]["events"] == count["p"] + count["c"], "no worker reads in this test"
    assert status["lag"]["slot_active"] is True
    assert 0 <= status["lag"]["slot_lag_bytes"] <= status["lag"]["slot_retained_bytes"] < 2**24


def test_an_idle_source_does_not_keep_the_servers_log(served: LiveWorld, shop: dict[str, Any], stack: Stack) -> None:
    """Another database of the server writes 40 MB; the heartbeats of ours let the server drop it."""
    other = stack.url("postgres")
    query(other, "CREATE TABLE kb_noise AS SELECT repeat(md5(i::text), 30) AS text FROM generate_series(1, 40000) i")
    query(other, "DROP TABLE kb_noise")
    eventually(lambda: served.status("shop")["lag"]["slot_lag_bytes"], lambda size: size < 2**20)
    assert {value["op"] for _, value in events(served, shop["topic"])} == {"r"}, "heartbeats are no events of tables"


def test_what_happens_during_a_pause_is_read_after_it(served: LiveWorld, shop: dict[str, Any]) -> None:
    for _ in range(2):  # twice is as good as once
        assert served.call("POST", "/shop/pause?collection=docs").json()["state"] == "paused"
    eventually(lambda: served.status("shop")["connector"]["state"], lambda state: state == "STOPPED")
    query(shop["database"], "UPDATE products SET product_name = 'while away' WHERE product_id = 3")
    refused = check_native_error(served.call("POST", "/shop/snapshot?collection=docs", json={}), 409, "conflict")
    assert "resume" in refused["message"]
    assert rows(served, shop["topic"], "product_id")[3]["product_name"] != "while away"
    assert served.call("POST", "/shop/resume?collection=docs").json()["state"] == "active"
    eventually(lambda: rows(served, shop["topic"], "product_id")[3]["product_name"], lambda name: name == "while away")


def test_a_connector_that_rests_though_its_source_does_not_is_told(served: LiveWorld, shop: dict[str, Any]) -> None:
    """Somebody stopped it in Kafka Connect, or whoever changed the source was killed halfway."""
    record = served.live.get(served.api.kb.catalog.collections.get("docs"), "shop")
    with served.live.connect(record) as connect:
        connect.pause(record.config["connector"])
    told = "its connector is stopped in Kafka Connect, though the source is not; resume it"
    eventually(lambda: served.status("shop")["problems"], lambda problems: problems == [told])
    with served.live._alone(record):
        assert served.status("shop")["problems"] == [], "it is being changed"
    assert served.call("POST", "/shop/resume?collection=docs").status_code == 200
    eventually(lambda: served.status("shop")["problems"], lambda problems: problems == [])


def test_tables_are_read_again_while_streaming_goes_on(served: LiveWorld, shop: dict[str, Any]) -> None:
    before = len(events(served, shop["topic"]))
    asked = served.call("POST", "/shop/snapshot?collection=docs", json={"tables": ["public.products"]})
    assert asked.status_code == 202, asked.text
    assert (asked.json()["kind"], asked.json()["tables"]) == ("incremental", ["public.products"])
    again = eventually(lambda: events(served, shop["topic"]), lambda found: len(found) == 2 * before)
    assert {value["op"] for _, value in again} == {"r"}
    assert eventually(lambda: served.status("shop")["snapshot"], lambda told: told["kind"] == "incremental")
    unknown = served.call("POST", "/shop/snapshot?collection=docs", json={"tables": ["public.orders"]})
    assert "it reads: public.categories, public.products" in check_native_error(unknown, 422)["message"]


def test_a_changed_mapping_reads_what_it_shows_anew(served: LiveWorld, shop: dict[str, Any]) -> None:
    tables = copy.deepcopy(PRODUCTS)
    tables["public.products"]["body"] = "{product_name} by {supplier.company_name}"
    tables["public.products"]["include"]["supplier"] = {
        "table": "public.suppliers",
        "on": {"supplier_id": "supplier_id"},
    }
    changed = served.call("PATCH", "/shop?collection=docs", json={"tables": tables})
    assert changed.status_code == 200, changed.text
    assert changed.json()["tables"] == tables
    suppliers = f"{shop['topic_prefix']}.public.suppliers"
    there = dict(query(shop["database"], "SELECT supplier_id, company_name FROM suppliers"))
    found = eventually(lambda: rows(served, suppliers, "supplier_id"), lambda seen: len(seen) == len(there))
    assert {key: row["company_name"] for key, row in found.items()} == there
    products = eventually(
        lambda: rows(served, shop["topic"], "product_id"),
        lambda seen: all("supplier_id" in row for row in seen.values()),
    )
    assert "quantity_per_unit" not in products[1], "what the mapping needs no more stays in the database"


def test_a_full_snapshot_begins_anew_under_other_names(served: LiveWorld, shop: dict[str, Any]) -> None:
    asked = served.call("POST", "/shop/snapshot?collection=docs", json={"full": True})
    assert asked.status_code == 202, asked.text
    status = served.status("shop")
    assert status["topic_prefix"] != shop["topic_prefix"]
    assert len(query(shop["database"], SLOTS)) == 1
    topic = f"{status['topic_prefix']}.public.products"
    (count,) = query(shop["database"], "SELECT count(*) FROM products")[0]
    eventually(lambda: len(rows(served, topic, "product_id")), lambda seen: seen == count)


def test_after_a_full_snapshot_what_it_did_not_bring_is_gone(served: LiveWorld, shop: dict[str, Any]) -> None:
    kb, far = served.api.kb, SourcePosition((10**15,))
    stored = [Document(f"public.products/{n}", f"text {n}", source="shop", position=far) for n in (1, 999)]
    kb.write("docs", stored, wait=True)
    assert served.call("POST", "/shop/snapshot?collection=docs", json={"full": True}).status_code == 202
    served.api.app.state.services.source_monitor.look()
    collection = kb.catalog.collections.get("docs")
    assert len(kb.catalog.documents.keys(collection, "shop")) == 2, "searches keep them until all is read"
    eventually(lambda: served.status("shop")["snapshot"]["state"], lambda state: state == "completed")
    kb.write("docs", [replace(stored[0], position=SourcePosition((7,)))])  # as a worker does
    read_everything(served, "shop")
    served.api.app.state.services.source_monitor.look()
    assert kb.catalog.documents.keys(collection, "shop") == {"public.products/1"}


def test_a_table_that_was_given_up_is_asked_for_again(served: LiveWorld, shop: dict[str, Any]) -> None:
    """As Debezium tells of it when two of its threads got into each other's way."""
    prefix = shop["topic"].partition(".")[0]
    tell(served, prefix, "STARTED")
    tell(served, prefix, "TABLE_SCAN_COMPLETED", scanned_collection="public.products", status="SQL_EXCEPTION")
    tell(served, prefix, "COMPLETED")
    (told,) = served.status("shop")["problems"]
    assert "did not read public.products to the end" in told
    before = len(events(served, shop["topic"]))
    for _ in range(LOOKS):
        served.api.app.state.services.source_monitor.look()
    eventually(lambda: len(events(served, shop["topic"])), lambda count: count == before + 77)
    eventually(lambda: served.status("shop")["problems"], lambda problems: problems == [])


def tell(served: LiveWorld, prefix: str, what: str, **more: str) -> None:
    """A notification of an incremental snapshot."""
    told = {"id": "1", "type": what, "aggregate_type": "Incremental Snapshot", "additional_data": more}
    with change_events.producer(served.stack.url("kafka")) as producer:
        value = orjson.dumps(told | {"timestamp": round(time.time() * 1000)})
        producer.send(notification_topic(prefix), value=value).get(timeout=30)


def test_metrics_show_what_was_seen_last(served: LiveWorld, shop: dict[str, Any]) -> None:
    served.api.app.state.services.source_monitor.look()
    before = metrics(served)
    assert before["kb_source_lag_events"] == 77 + 8
    assert before["kb_source_connector_up"] == 1
    assert before["kb_source_slot_retained_bytes"] > 0
    assert before["kb_source_dead_letters"] == 0
    read_everything(served, "shop")
    assert served.call("POST", "/shop/pause?collection=docs").status_code == 200
    eventually(lambda: served.status("shop")["connector"]["state"], lambda state: state == "STOPPED")
    served.api.app.state.services.source_monitor.look()
    after = metrics(served)
    assert after.keys() == before.keys() - OF_RUNNING, "no alert goes by them: somebody wants it so"


def metrics(served: LiveWorld) -> dict[str, float]:
    """The gauges of source "shop"."""
    lines = served.api.call("GET", "/metrics").text.splitlines()
    mine = [line for line in lines if 'collection="docs",source="shop"' in line]
    return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in mine}


def read_everything(served: LiveWorld, name: str) -> None:
    """Advance the source's offsets to the topics' ends, as workers do."""
    catalog, record = served.api.kb.catalog, served.live.get(served.api.kb.catalog.collections.get("docs"), name)
    topics = served.live.setup.topics()
    reach = topics.reach(table_topics(record.config["topic_prefix"], record.config["capture"]["tables"]))
    advances = [
        OffsetAdvance(record.id, topic, number, None, end, datetime.now(UTC))
        for (topic, number), (_, end) in reach.items()
    ]
    catalog.writer.commit(record.collection_id, Commit((), offsets=advances))


def test_a_reader_with_an_operators_publication_is_enough(served: LiveWorld, northwind: str) -> None:
    query(northwind, "CREATE PUBLICATION for_kb FOR TABLE products, categories, suppliers")
    grants = ("GRANT SELECT ON ALL TABLES IN SCHEMA public",)
    with role(northwind, "REPLICATION", *grants) as reader:
        created = served.create("reader", reader)
        assert created.status_code == 201, created.text
        topic = f"{created.json()['topic_prefix']}.public.products"
        eventually(lambda: len(rows(served, topic, "product_id")), lambda seen: seen == 77)
        assert served.delete("reader").json()["leftovers"] == []
    assert held(northwind) == {"slots": [], "publications": [("for_kb",)]}


def test_a_database_that_goes_away_is_told_and_so_is_what_to_run_after_its_deletion(
    served: LiveWorld, northwind: str
) -> None:
    """Its connector looks for it again and is running all the while: everything is read, and yet nothing would come."""
    before, monitor = served.footprint(), served.api.app.state.services.source_monitor
    with breakable(northwind) as (url, break_it):
        assert served.create("shop", url).status_code == 201
        eventually(lambda: served.status("shop")["snapshot"]["state"], lambda state: state == "completed")
        eventually(lambda: served.status("shop")["lag"]["slot_active"])
        read_everything(served, "shop")
        monitor.look()
        there = metrics(served)
        assert (there["kb_source_lag_seconds"], there["kb_source_database_up"]) == (0, 1)
        break_it()
        monitor.look()
        away = metrics(served)
        assert (away["kb_source_connector_up"], away["kb_source_lag_events"]) == (1, 0)
        assert away["kb_source_lag_seconds"] > 0 == away["kb_source_database_up"]
        assert away.keys() == there.keys() - {"kb_source_slot_lag_bytes", "kb_source_slot_retained_bytes"}
        assert served.status("shop")["lag"]["database_answers"] is False
        deleted = served.delete("shop")
    assert deleted.status_code == 200, deleted.text
    (left,) = deleted.json()["leftovers"]
    assert "does not answer" in left["why"]
    assert len(held(northwind)["slots"]) == 1
    for statement in filter(None, left["sql"].split("; ")):
        eventually(lambda statement=statement: runs(northwind, statement))
    assert (served.footprint(), held(northwind)) == (before, NOTHING)


def runs(url: str, statement: str) -> bool:
    """The database may take a moment to see that the connector is gone."""
    try:
        query(url, statement)
    except psycopg.errors.ObjectInUse:
        return False
    return True


def test_deletion_takes_the_documents_along_or_leaves_them(served: LiveWorld, shop: dict[str, Any]) -> None:
    kb = served.api.kb
    position = SourcePosition((10**12,))
    documents = [Document(f"public.products/{n}", f"text {n}", source="shop", position=position) for n in (1, 2)]
    kb.write("docs", documents, wait=True)
    assert served.delete("shop", documents="keep").json()["deleted_documents"] == 0
    collection = kb.catalog.collections.get("docs")
    assert kb.catalog.documents.keys(collection, "shop") == {one.key for one in documents}
    assert kb.catalog.sources.unplaced_keys(collection, "shop") == {one.key for one in documents}
    assert served.create("shop", shop["database"]).status_code == 201
    assert served.delete("shop").json()["deleted_documents"] == 2
    older = Document("public.products/1", "again", source="other", position=SourcePosition((1,)))
    assert kb.write("docs", [older]).outcomes == (Outcome.CREATED,), "a tombstone of a former source must not win"
    kb.write("docs", [Deletion("public.products/1", "other")])
