"""A full snapshot whose connector is killed before it reads the tables, and skips it then, is finished all the same."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from forwarder import Gate, breakable
from live_world import live_world, postgres_database, query
from stack import StackOf
from waiting import eventually
from worker_world import running

from api.sources.rereading import LOOKS
from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker
from ingest.connect.names import table_topics

pytestmark = [pytest.mark.soak, pytest.mark.server, pytest.mark.timeout(600)]
ROWS = 20
VALUES = ", ".join(f"({number}, 'note {number}')" for number in range(1, ROWS + 1))
SCRIPT = f"CREATE TABLE notes (id int PRIMARY KEY, title varchar(80)); INSERT INTO notes VALUES {VALUES};"
STORED_SECONDS = 6.0  # by then Kafka Connect has stored where the connector is


def test_a_full_snapshot_that_was_stopped_before_its_first_row(own_stack_of: StackOf, tmp_path: Path) -> None:
    script, gate = tmp_path / "shop.sql", Gate()
    script.write_text(SCRIPT, encoding="utf-8")
    stack = own_stack_of("postgres", "kafka", "connect")
    with (
        live_world(stack, tmp_path / "kb") as served,
        postgres_database(stack, script) as url,
        breakable(url, gate) as (held, _),
        running(open_worker(served.api.kb, WorkerMetrics())),
    ):
        catalog, monitor = served.api.kb.catalog, served.api.app.state.services.source_monitor

        def unfinished() -> bool:
            for _ in range(LOOKS):
                monitor.look()
            return "rebuilding" in catalog.sources.get(catalog.collections.get("shop"), "shop").config

        form = {"title": "title", "body": "{title}"}
        created = served.create("shop", held, {"public.notes": form}, collection="shop")
        assert created.status_code == 201, created.text
        eventually(unfinished, lambda so: not so)
        gate.hold(b"SET TRANSACTION")  # begun, and not yet what reads the tables
        asked = served.call("POST", "/shop/snapshot?collection=shop", json={"full": True})
        assert asked.status_code == 202, asked.text
        assert gate.asked.wait(30)
        query(url, "DELETE FROM notes WHERE id <= 5")
        time.sleep(STORED_SECONDS)
        stack.kill("connect")
        gate.let_go()
        topics = table_topics(served.prefixes[-1], ["public.notes"])
        assert sum(end for _, end in served.live.setup.topics().reach(topics).values()) == 0, "a row was sent"
        stack.up(["connect"])
        query(url, "INSERT INTO notes VALUES (100, 'new')")
        assert len(served.texts("shop")) >= ROWS, "searches keep the documents meanwhile"
        eventually(unfinished, lambda so: not so, seconds=120)
        told = [one["type"] for one in served.live.setup.topics().notifications(served.prefixes[-1])]
        assert told[:3] == ["STARTED", "SKIPPED", "STARTED"], "the second is the one that `kb serve` asked for"
        wanted = {f"public.notes/{number}": f"note {number}" for number in range(6, ROWS + 1)}
        eventually(lambda: served.texts("shop"), lambda found: found == wanted | {"public.notes/100": "new"})
        assert served.call("DELETE", "/shop?collection=shop").json()["leftovers"] == []
