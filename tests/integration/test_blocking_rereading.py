"""Tables of PostgreSQL are read again while streaming waits, and rows change all the time: no document differs."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest
from live_shop import postgres_shop
from live_world import query
from stack import StackOf
from waiting import eventually

from api.sources.live_sources import LiveSources

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]
ROWS = 2_000
SCRIPT = f"""
    CREATE TABLE notes (id int PRIMARY KEY, title text, place int DEFAULT 0);
    INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, {ROWS}) n;
"""
PAUSE_SECONDS = 0.001  # between two transactions


def mapped(body: str) -> dict[str, Any]:
    return {"public.notes": {"title": "title", "body": body}}


def changes(url: str, ended: threading.Event) -> None:
    """Updates, deletions, insertions and changes of key, one or several in a transaction; no row changes twice."""
    drawn, new, keys = random.Random(5), ROWS, iter(range(1, ROWS))
    with psycopg.connect(url) as connection:
        while not ended.wait(PAUSE_SECONDS):
            for key in islice(keys, drawn.choice((1, 1, 3))):
                match drawn.randrange(10):
                    case 0:
                        connection.execute("DELETE FROM notes WHERE id = %s", (key,))
                    case 1:
                        new += 1
                        connection.execute("INSERT INTO notes VALUES (%s, 'new')", (new,))
                    case 2:
                        new += 1
                        connection.execute("UPDATE notes SET id = %s WHERE id = %s", (new, key))
                    case _:
                        connection.execute("UPDATE notes SET place = place + 1 WHERE id = %s", (key,))
            connection.commit()


@contextmanager
def changing(url: str) -> Iterator[None]:
    """Rows change within the `with`."""
    ended = threading.Event()
    thread = threading.Thread(target=changes, args=(url, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_rows_that_change_while_they_are_read_again(
    stack_of: StackOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a mapping of which nobody has told the connector, so that only what is read again shows it."""
    stack = stack_of("postgres", "kafka", "connect")
    with postgres_shop(stack, tmp_path, SCRIPT, mapped("{title}")) as (served, url):
        eventually(lambda: len(served.texts("shop")), lambda found: found == ROWS)
        with monkeypatch.context() as untold:
            untold.setattr(LiveSources, "_ask", lambda *_: None)
            changed = served.call("PATCH", "/shop?collection=shop", json={"tables": mapped("{title} at {place}")})
        assert changed.status_code == 200, changed.text
        catalog = served.api.kb.catalog
        record = catalog.sources.get(catalog.collections.get("shop"), "shop")
        first = served.status("shop", "shop")["snapshot"]["started_at"]
        with changing(url):
            time.sleep(0.5)
            asked = served.live.snapshot(record, ["public.notes"], blocking=True)
            assert asked.kind == "blocking"
            eventually(
                lambda: served.status("shop", "shop")["snapshot"],
                lambda told: told["started_at"] != first and told["state"] == "completed",
            )
            time.sleep(0.5)
        wanted = dict(query(url, "SELECT 'public.notes/' || id, title || ' at ' || place FROM notes"))
        eventually(lambda: served.texts("shop"), lambda found: found == wanted)
        assert served.status("shop", "shop")["problems"] == []
