"""A mapping is changed, and the connector is interrupted while it reads the tables again: all rows show the new one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_world import LiveWorld, live_world, mariadb_database, postgres_database
from stack import StackOf
from waiting import eventually
from worker_world import running

from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker
from ingest.connect import names

pytestmark = [pytest.mark.soak, pytest.mark.server, pytest.mark.timeout(600)]
ROWS = 15_000
VALUES = ", ".join(f"({number}, 'note {number}')" for number in range(1, ROWS + 1))
SCRIPT = f"CREATE TABLE notes (id int PRIMARY KEY, title varchar(80)); INSERT INTO notes VALUES {VALUES};"
# What happens after how many rows were sent; -1: it has not begun.
INTERRUPTED = (("kill", -1), ("kill", 200), ("kill", 3_000), ("restart", 200))
SENDING_SECONDS = 30.0


def sent(served: LiveWorld, table: str) -> Callable[[], int]:
    """How many events of the table Kafka has had."""
    topics, catalog = served.live.setup.topics(), served.api.kb.catalog
    record = catalog.sources.get(catalog.collections.get("shop"), "shop")
    topic = names.table_topics(record.config["topic_prefix"], [table])
    return lambda: sum(end for _, end in topics.reach(topic).values())


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_tables_that_a_connector_was_to_read_when_it_was_killed_or_restarted(
    own_stack_of: StackOf, tmp_path: Path, kind: str
) -> None:
    script = tmp_path / "shop.sql"
    script.write_text(SCRIPT, encoding="utf-8")
    database = postgres_database if kind == "postgres" else mariadb_database
    stack = own_stack_of(kind, "kafka", "connect")
    with live_world(stack, tmp_path / "kb") as served, database(stack, script) as url:
        table = f"{'public' if kind == 'postgres' else url.rpartition('/')[2]}.notes"

        def mapped(body: str) -> dict[str, Any]:
            return {table: {"title": "title", "body": body}}

        def is_shown(words: str) -> Callable[[dict[str, str]], bool]:
            wanted = {f"{table}/{number}": f"note {number}{words}" for number in range(1, ROWS + 1)}
            return lambda found: found == wanted

        monitor = served.api.app.state.services.source_monitor
        with running(open_worker(served.api.kb, WorkerMetrics())):
            created = served.create("shop", url, mapped("{title}"), collection="shop")
            assert created.status_code == 201, created.text
            eventually(lambda: served.texts("shop"), is_shown(""), seconds=120)
            events = sent(served, table)
            for number, (what, rows) in enumerate(INTERRUPTED):
                begun = events()
                body = {"tables": mapped(f"{{title}} by mapping {number}")}
                changed = served.call("PATCH", "/shop?collection=shop", json=body)
                assert changed.status_code == 200, changed.text
                deadline = time.monotonic() + SENDING_SECONDS
                while events() < begun + rows and time.monotonic() < deadline:
                    time.sleep(0.01)
                if what == "kill":
                    stack.kill("connect")
                    assert events() < begun + ROWS, "it was killed after it had read everything"
                    stack.up(["connect"])
                else:
                    restarted = served.call("POST", "/shop/restart?collection=shop")
                    assert restarted.status_code == 200, restarted.text
                shown = is_shown(f" by mapping {number}")
                eventually(lambda: (monitor.look(), served.texts("shop"))[1], shown, seconds=120)
        assert served.call("DELETE", "/shop?collection=shop").json()["leftovers"] == []
