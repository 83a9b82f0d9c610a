"""Rows of PostgreSQL change while its connector selects them to read them again: the newer ones are shown."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from forwarder import Gate, breakable
from live_world import LiveWorld, live_world, postgres_database, query
from stack import StackOf
from waiting import eventually
from worker_world import running

from api.sources.live_sources import LiveSources
from api.sources.rereading import LOOKS
from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker
from ingest.connect.configuration import CHUNK_ROWS

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]
TRIES = 6  # the stream may need the connection whose answer is kept back, and wait for it
ROWS = 10 * (TRIES + 1)
VALUES = ", ".join(f"({number}, 'note {number}')" for number in range(1, ROWS + 1))
SCRIPT = f"CREATE TABLE notes (id int PRIMARY KEY, title varchar(80)); INSERT INTO notes VALUES {VALUES};"
NEWS_SECONDS = 10.0


def change(url: str, ten: int, rows: dict[int, str]) -> dict[int, str]:
    """Change rows of that ten in the database and in `rows`; those that can be seen by it."""
    one, gone, moved, anew = (10 * ten + number for number in (1, 2, 3, 4))
    for statement in (
        f"UPDATE notes SET title = 'newer' WHERE id = {one}",
        f"DELETE FROM notes WHERE id = {gone}",
        f"UPDATE notes SET id = id + 1000 WHERE id = {moved}",
        f"DELETE FROM notes WHERE id = {anew}",
        f"INSERT INTO notes VALUES ({anew}, 'another'), ({anew + 2000}, 'new')",
    ):
        query(url, statement)
    news = {one: "newer", moved + 1000: rows[moved], anew: "another", anew + 2000: "new"}
    for number in (gone, moved):
        del rows[number]
    rows |= news
    return news


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
            rows = {number: f"note {number}" for number in range(1, ROWS + 1)}
            held_back, monitor = False, served.api.app.state.services.source_monitor
            for ten in range(1, TRIES + 1):
                query(url, "UPDATE notes SET title = 'known' WHERE id = %s", 10 * ten)
                rows[10 * ten] = "known"  # once this is here the connector knows the table's columns, and asks for none
                eventually(
                    lambda: served.texts("shop"), lambda it, n=10 * ten: it[f"public.notes/{n}"] == "known again"
                )
                gate.hold(f"LIMIT {CHUNK_ROWS}".encode())
                asked = served.call("POST", "/shop/snapshot?collection=shop", json={"tables": ["public.notes"]})
                assert asked.status_code == 202, asked.text
                if is_beside := asked.json()["kind"] == "incremental":
                    assert gate.asked.wait(30), "the connector was to read the table again"
                news = shown(" again", change(url, ten, rows))
                held_back = is_beside and came(served, news, NEWS_SECONDS)
                gate.let_go()
                # A table that Debezium gives up meanwhile is asked for once more by who looks after the source.
                eventually(
                    lambda: ([monitor.look() for _ in range(LOOKS)], served.texts("shop"))[1],
                    lambda found: found == shown(" again", rows),
                )
                eventually(lambda: served.status("shop", "shop"), lambda it: not is_read(it) and not it["problems"])
                if held_back:
                    break
                if not is_beside:  # it may still hold rows of the reading that it gave up
                    assert served.call("POST", "/shop/restart?collection=shop").status_code == 200
            assert held_back, "no change was sent while the rows were selected"
            assert served.call("DELETE", "/shop?collection=shop").json()["leftovers"] == []


def is_read(status: dict[str, Any]) -> bool:
    return bool(status["snapshot"]["state"] == "running")


def came(served: LiveWorld, news: dict[str, str], seconds: float) -> bool:
    """Whether these documents are shown before so many seconds have gone."""
    deadline = time.monotonic() + seconds
    while not served.texts("shop").items() >= news.items():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
