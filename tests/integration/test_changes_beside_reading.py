"""Rows of PostgreSQL change while its connector selects them to read them again: the newer ones are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from forwarder import Gate, breakable
from live_world import live_world, postgres_database, query
from stack import StackOf
from waiting import eventually
from worker_world import running

from api.sources.live_sources import LiveSources
from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker
from ingest.connect.configuration import CHUNK_ROWS

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]
ROWS = 20
VALUES = ", ".join(f"({number}, 'note {number}')" for number in range(1, ROWS + 1))
SCRIPT = f"CREATE TABLE notes (id int PRIMARY KEY, title varchar(80)); INSERT INTO notes VALUES {VALUES};"
CHANGES = (
    "UPDATE notes SET title = 'first' WHERE id = 1",
    "UPDATE notes SET title = 'newer' WHERE id = 3",
    "DELETE FROM notes WHERE id = 5",
    "INSERT INTO notes VALUES (100, 'new')",
    "UPDATE notes SET id = 200 WHERE id = 7",
    "DELETE FROM notes WHERE id = 9",
    "INSERT INTO notes VALUES (9, 'another')",
)
WANTED = {number: f"note {number}" for number in range(1, ROWS + 1) if number not in (5, 7)}
WANTED |= {1: "first", 3: "newer", 9: "another", 100: "new", 200: "note 7"}


def mapped(body: str) -> dict[str, Any]:
    return {"public.notes": {"title": "title", "body": body}}


def shown(words: str, rows: dict[int, str]) -> dict[str, str]:
    return {f"public.notes/{number}": f"{title}{words}" for number, title in rows.items()}


def test_rows_that_change_while_the_first_of_them_are_selected(
    stack_of: StackOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a mapping of which nobody has told the connector, so that what was not sent is shown once it is read again."""
    script, gate = tmp_path / "shop.sql", Gate()
    script.write_text(SCRIPT, encoding="utf-8")
    stack = stack_of("postgres", "kafka", "connect")
    with live_world(stack, tmp_path / "kb") as served, postgres_database(stack, script) as url:
        with breakable(url, gate) as (held, _), running(open_worker(served.api.kb, WorkerMetrics())):
            created = served.create("shop", held, mapped("{title}"), collection="shop")
            assert created.status_code == 201, created.text
            eventually(lambda: served.texts("shop"), lambda found: len(found) == ROWS)
            with monkeypatch.context() as untold:
                untold.setattr(LiveSources, "_ask", lambda *_: None)
                changed = served.call("PATCH", "/shop?collection=shop", json={"tables": mapped("{title} again")})
            assert changed.status_code == 200, changed.text
            query(url, CHANGES[0])  # by now the connector knows the table's columns and need not ask for them
            eventually(lambda: served.texts("shop"), lambda found: found["public.notes/1"] == "first again")
            gate.hold(f"LIMIT {CHUNK_ROWS}".encode())
            asked = served.call("POST", "/shop/snapshot?collection=shop", json={"tables": ["public.notes"]})
            assert asked.json()["kind"] == "incremental", asked.text
            assert gate.asked.wait(30), "the connector was to read the table again"
            for statement in CHANGES[1:]:
                query(url, statement)
            news = shown(" again", {number: WANTED[number] for number in (1, 3, 9, 100, 200)})
            eventually(lambda: served.texts("shop"), lambda found: found.items() >= news.items())
            gate.let_go()
            eventually(lambda: served.texts("shop"), lambda found: found == shown(" again", WANTED))
            assert served.call("DELETE", "/shop?collection=shop").json()["leftovers"] == []
