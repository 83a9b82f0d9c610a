"""A mapping that names a large column more, while rows change: none is missing, whatever the connector leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_shop import postgres_shop
from live_world import LiveWorld, query
from stack import StackOf
from waiting import eventually

from api.sources.live_sources import LiveSources

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]
SCRIPT = """
    CREATE TABLE notes (id date PRIMARY KEY, title text, place int, large text);
    CREATE TABLE authors (id int PRIMARY KEY, name text, large text);
    ALTER TABLE notes ALTER large SET STORAGE EXTERNAL;
    ALTER TABLE authors ALTER large SET STORAGE EXTERNAL;
    INSERT INTO authors VALUES (1, 'Li', repeat('of an author ', 300));
    INSERT INTO notes
        SELECT '2026-05-01'::date + n, 'note ' || n, 1, repeat('large ', 600) FROM generate_series(1, 3) n;
"""


def mapped(body: str) -> dict[str, Any]:
    author = {"table": "public.authors", "on": {"id": "place"}}
    return {"public.notes": {"title": "title", "body": body, "metadata": ["place"], "include": {"author": author}}}


@pytest.fixture
def shop(stack_of: StackOf, tmp_path: Path) -> Iterator[tuple[LiveWorld, str]]:
    """A source of notes whose first snapshot is read; their large column is not mapped."""
    with postgres_shop(
        stack_of("postgres", "kafka", "connect"), tmp_path, SCRIPT, mapped("{title} {author.name}")
    ) as opened:
        wanted = [f"note {n} Li" for n in (1, 2, 3)]
        eventually(lambda: sorted(opened[0].texts("shop").values()), lambda found: found == wanted)
        yield opened


def test_rows_whose_large_value_nobody_told_are_read_at_the_source(
    shop: tuple[LiveWorld, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is not read again here: a row that changes meanwhile is left out of that in just this way."""
    served, url = shop
    with monkeypatch.context() as left_out:
        left_out.setattr(LiveSources, "_ask", lambda *_: None)
        body = "{title} {author.name} {large} {author.large}"
        changed = served.call("PATCH", "/shop?collection=shop", json={"tables": mapped(body)})
    assert changed.status_code == 200, changed.text
    query(url, "UPDATE notes SET title = title || '!' WHERE id <= '2026-05-03'")
    query(url, "UPDATE authors SET name = 'Wang'")
    eventually(lambda: served.status("shop", "shop")["lag"]["events"], lambda events: events == 0)
    status = eventually(lambda: served.status("shop", "shop"), lambda told: len(told["notices"]) == 2)
    assert {(notice["kind"], notice["table"]) for notice in status["notices"]} == {
        ("rows_incomplete", "public.notes"), ("rows_incomplete", "public.authors"),
    }  # fmt: skip
    assert len(served.texts("shop")) == 1, "two wait, the third shows no author that waits"
    monitor = served.api.app.state.services.source_monitor
    wanted = dict(
        query(
            url,
            "SELECT 'public.notes/' || n.id, trim(n.title || ' Wang ' || n.large || ' ' || a.large) "
            "FROM notes n, authors a WHERE n.id <= '2026-05-03'",
        )
    )

    def found() -> dict[str, str]:
        monitor.look()
        return {key: text for key, text in served.texts("shop").items() if key in wanted}

    eventually(found, lambda told: {key: text.strip() for key, text in told.items()} == wanted)
    eventually(lambda: (monitor.look(), served.status("shop", "shop")["notices"])[1], lambda notices: notices == [])
