"""A source's first reading is interrupted and begins again; rows that were deleted between the attempts are gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from forwarder import Gate, breakable
from live_world import LiveWorld, live_world, mariadb, mariadb_database, postgres_database, query
from stack import StackOf
from waiting import eventually
from worker_world import running

from api.sources.snapshot_notifications import attempts_at_first
from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker
from ingest.connect.names import table_topics

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]
ROWS = 300
SENT = 200  # rows of the first table, before the reading is interrupted
VALUES = ", ".join(f"({number}, 'note {number}')" for number in range(1, ROWS + 1))
SCRIPT = f"""CREATE TABLE notes (id int PRIMARY KEY, title varchar(80)); INSERT INTO notes VALUES {VALUES};
CREATE TABLE others (id int PRIMARY KEY, title varchar(80)); INSERT INTO others VALUES (1, 'other');"""
CHANGES = ("DELETE FROM notes WHERE id <= 50", "UPDATE notes SET title = 'newer' WHERE id = 100")


def sent(served: LiveWorld, table: str) -> int:
    """How many events of the table Kafka has had."""
    return sum(end for _, end in served.live.setup.topics().reach(table_topics(served.prefixes[0], [table])).values())


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_rows_that_went_between_two_attempts(stack_of: StackOf, tmp_path: Path, kind: str) -> None:
    script, gate = tmp_path / "shop.sql", Gate()
    script.write_text(SCRIPT, encoding="utf-8")
    database = postgres_database if kind == "postgres" else mariadb_database
    stack = stack_of(kind, "kafka", "connect")
    with (
        live_world(stack, tmp_path / "kb") as served,
        database(stack, script) as url,
        breakable(url, gate) as (held, _),
    ):
        schema = "public" if kind == "postgres" else url.rpartition("/")[2]
        notes, others = f"{schema}.notes", f"{schema}.others"
        form = {"title": "title", "body": "{title}"}
        select = f'SELECT "id", "title" FROM "{schema}"."others"'
        gate.hold((select if kind == "postgres" else select.replace('"', "`")).encode())
        created = served.create("shop", held, {notes: form, others: form}, collection="shop")
        assert created.status_code == 201, created.text
        eventually(lambda: sent(served, notes), lambda rows: rows >= SENT)
        for statement in CHANGES:
            if kind == "postgres":
                query(url, statement)
            else:
                with mariadb(url) as cursor:
                    cursor.execute(statement)
        assert served.call("POST", "/shop/restart?collection=shop").status_code == 200
        gate.let_go()
        catalog, monitor = served.api.kb.catalog, served.api.app.state.services.source_monitor
        with running(open_worker(served.api.kb, WorkerMetrics())):
            eventually(
                lambda: (monitor.look(), catalog.sources.get(catalog.collections.get("shop"), "shop").config)[1],
                lambda config: "rebuilding" not in config,
            )
            assert attempts_at_first(served.live.setup.topics().notifications(served.prefixes[0])) == 2
            wanted = {f"{notes}/{number}": f"note {number}" for number in range(51, ROWS + 1)}
            wanted |= {f"{notes}/100": "newer", f"{others}/1": "other"}
            eventually(lambda: served.texts("shop"), lambda found: found == wanted)
        assert served.call("DELETE", "/shop?collection=shop").json()["leftovers"] == []
