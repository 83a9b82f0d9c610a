"""What sources did, and databases that are read when asked: run log, newest changes, dead letters beside their rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import change_events
import psycopg
import pytest
from api_world import World, check_native_error, world
from waiting import job_ended

from ingest.sources.files import FileSource
from retrieval.catalog import Commit, DeadLetter
from retrieval.catalog.source_runs import RunKind, RunWork

TABLES = {
    "public.faqs": {
        "title": "question",
        "body": "{answer} ({product.name})",
        "include": {"product": {"table": "public.products", "on": {"id": "product_id"}}},
    }
}
SHOP = """
    CREATE TABLE products (id int PRIMARY KEY, name text);
    CREATE TABLE faqs (id int PRIMARY KEY, product_id int REFERENCES products, question text, answer text);
    INSERT INTO products VALUES (1, 'Falcon 7');
    INSERT INTO faqs VALUES (1, 1, 'How long does the battery last?', 'About nine hours of flight.'),
                            (2, 1, 'How far does it fly?', 'Two kilometres.');"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "kb") as opened:
        yield opened


@pytest.fixture
def shop(fresh_postgres: str) -> str:
    """URL of a little shop."""
    url = urlsplit(fresh_postgres)._replace(scheme="postgresql").geturl()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SHOP.encode())
    return url


def read(served: World, **body: Any) -> dict[str, Any]:
    asked = served.call("POST", "/v1/sources/shop/snapshot?collection=docs", json=body)
    assert asked.status_code == 202 and asked.json()["kind"] == "job", asked.text
    return job_ended(lambda: served.call("GET", f"/v1/jobs/{asked.json()['id']}").json())


def runs(served: World, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = served.call("GET", "/v1/source-runs", params={"collection": "docs", **query}).json()[
        "runs"
    ]
    return found


def create(served: World, url: str, **more: Any) -> Any:
    body = {"name": "shop", "collection": "docs", "url": url, "tables": TABLES, "mode": "snapshot"}
    return served.call("POST", "/v1/sources", json=body | more)


@pytest.mark.server
def test_a_database_is_read_when_asked_without_any_other_server(served: World, shop: str) -> None:
    tested = served.call("POST", "/v1/sources/test", json={"url": shop, "tables": ["public.faqs"]}).json()
    assert tested["readable"] and not tested["live"]
    created = create(served, shop)
    assert created.status_code == 201 and created.json()["kind"] == "sql", created.text
    assert "***" in created.json()["url"] or urlsplit(shop).password is None
    first = read(served)
    assert first["state"] == "succeeded" and first["result"]["created"] == 2, first
    hit = served.search("battery life").json()["hits"][0]
    assert "About nine hours of flight. (Falcon 7)" in hit["text"]
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("UPDATE faqs SET answer = 'Eleven hours.' WHERE id = 1; DELETE FROM faqs WHERE id = 2")
        connection.execute("UPDATE products SET name = 'Falcon 8'")
    again = read(served)
    # the row that is gone is shown with its new product until all tables are read, and only then counted as gone
    assert (again["result"]["updated"], again["result"]["deleted"]) == (2, 1), again
    assert "Eleven hours. (Falcon 8)" in served.search("battery life").json()["hits"][0]["text"]
    status = served.call("GET", "/v1/sources/shop?collection=docs").json()
    assert (status["documents"], status["problems"], status["engine"]) == (1, [], "postgresql")
    newest, oldest = runs(served, source="shop")
    assert newest["outcomes"] == {"updated": 2, "deleted": 1} and oldest["outcomes"] == {"created": 2}
    assert newest["kind"] == "reading" and newest["error"] == ""
    changes = served.call("GET", "/v1/source-changes?collection=docs&source=shop").json()["changes"]
    assert [(one["key"], one["deleted"]) for one in changes] == [("public.faqs/2", True), ("public.faqs/1", False)] or [
        (one["key"], one["deleted"]) for one in changes
    ] == [("public.faqs/1", False), ("public.faqs/2", True)]


@pytest.mark.server
def test_an_emptied_table_deletes_its_documents_only_where_that_is_meant(served: World, shop: str) -> None:
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("INSERT INTO faqs SELECT n, 1, 'Question ' || n, 'Answer' FROM generate_series(3, 11) n")
        assert create(served, shop).status_code == 201
        assert read(served)["result"]["created"] == 11
        connection.execute("DELETE FROM faqs")
    counts = [read(served, **body)["result"] for body in ({}, {"allow_mass_deletion": True})]
    assert [(one["withheld_deletions"], one["deleted"]) for one in counts] == [(11, 0), (0, 11)]


@pytest.mark.server
def test_such_a_source_is_changed_and_deleted_like_any_other(served: World, shop: str) -> None:
    assert create(served, shop).status_code == 201
    check_native_error(create(served, shop), 409, "conflict")
    taken = check_native_error(create(served, shop, name="second"), 409, "conflict")
    assert "public.faqs" in taken["message"]
    read(served)
    check_native_error(served.call("POST", "/v1/sources/shop/pause?collection=docs"), 409)
    other = {"public.products": {"title": "name", "body": "{name}"}}
    shown = served.call("POST", "/v1/sources/shop/preview?collection=docs", json={"tables": other, "limit": 1}).json()
    assert [(one["key"], one["text"]) for one in shown["documents"]] == [("public.products/1", "Falcon 7")]
    wrong = {"public.products": {"title": "name", "body": "{nothing}"}}
    refused = served.call("POST", "/v1/sources/shop/preview?collection=docs", json={"tables": wrong})
    assert "nothing" in check_native_error(refused, 422, "invalid_mapping")["message"]
    changed = served.call("PATCH", "/v1/sources/shop?collection=docs", json={"tables": other})
    assert changed.status_code == 200 and changed.json()["tables"] == other, changed.text
    assert read(served)["result"]["created"] == 1
    keys = served.kb.catalog.documents.keys(served.kb.catalog.collections.get("docs"), "shop")
    assert keys == {"public.products/1"}
    tables = served.call("GET", "/v1/sources/shop/tables?collection=docs").json()["tables"]
    assert [one["name"] for one in tables] == ["public.faqs", "public.products"]
    gone = served.call("DELETE", "/v1/sources/shop?collection=docs")
    assert gone.json() == {"deleted_documents": 1, "leftovers": []}
    check_native_error(served.call("GET", "/v1/sources/shop?collection=docs"), 404)
    assert runs(served) == []


@pytest.mark.server
def test_columns_that_are_not_there_are_told_before_anything_is_made(served: World, shop: str) -> None:
    tables = {"public.faqs": {"title": "question", "body": "{reply}"}}
    refused = check_native_error(create(served, shop, tables=tables, collection="fresh"), 422)
    assert "reply" in refused["message"]
    assert "fresh" not in {one.name for one in served.kb.catalog.collections.all()}


def test_the_mapping_of_what_a_command_reads_is_not_previewed_here(served: World, tmp_path: Path) -> None:
    """The server knows no address of it: it says so, and what to do instead, whatever mapping is proposed."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "pump.txt").write_text("The pump is blue.", encoding="utf-8")
    served.kb.ingest("docs", FileSource(folder, name="notes"))
    asked = served.call("POST", "/v1/sources/notes/preview?collection=docs", json={"tables": TABLES})
    message = check_native_error(asked, 409, "conflict")["message"]
    assert "'notes'" in message and "kb ingest" in message
    check_native_error(served.call("GET", "/v1/sources/notes/tables?collection=docs"), 409)
    check_native_error(served.call("POST", "/v1/sources/absent/preview?collection=docs", json={"tables": TABLES}), 404)


def test_a_reading_that_ends_early_says_why(served: World, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("A first text about turbines.")
    (folder / "b.pdf").write_bytes(b"no pdf at all")
    source = FileSource(folder)
    served.kb.ingest("docs", source)
    served.kb.catalog.sources.get(served.kb.catalog.collections.get("docs"), source.name)
    (run,) = runs(served, source=source.name)
    assert run["outcomes"] == {"created": 1} and run["failed"] == 1 and run["ended_at"] >= run["began_at"]
    (letter,) = served.call("GET", "/v1/dead-letters?collection=docs").json()["dead_letters"]
    shown = served.call("GET", f"/v1/dead-letters/{letter['id']}?collection=docs").json()
    assert shown["row"] is None and shown["document"] is None
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="folder"):
        served.kb.ingest("docs", source)
    assert "cannot be listed" in runs(served)[0]["error"]
    assert served.call("DELETE", "/v1/sources", params={"collection": "docs", "source": source.name}).json() == {
        "deleted_documents": 1,
        "leftovers": [],
    }
    assert served.call("GET", "/v1/dead-letters?collection=docs").json()["dead_letters"] == []


def test_streaming_is_summed_by_the_minute_and_forgotten_after_a_month(served: World) -> None:
    catalog = served.kb.catalog
    source = catalog.sources.create(catalog.collections.get("docs"), "live", "database", {})
    now = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
    old = datetime.now(UTC) - timedelta(days=31)
    catalog.source_runs.stream(source.id, old, RunWork({"created": 9}))
    recent = datetime.now(UTC).replace(second=0, microsecond=0)
    for second, work in (
        (1, RunWork({"created": 2}, 1, 3, {"commit": 0.5})),
        (59, RunWork({"created": 1, "deleted": 4}, 0, 5, {"commit": 0.25, "map": 0.1})),
    ):
        catalog.source_runs.stream(source.id, recent + timedelta(seconds=second), work)
    (one,) = catalog.source_runs.page(catalog.collections.get("docs"), "live")
    assert (one.kind, one.began_at, one.ended_at) == (RunKind.STREAM, recent, recent + timedelta(seconds=59))
    assert one.work == RunWork({"created": 3, "deleted": 4}, 1, 8, {"commit": 0.75, "map": 0.1})
    catalog.sources.delete(source)
    catalog.source_runs.stream(source.id, now, RunWork({"created": 1}))  # of a worker that was late
    assert catalog.source_runs.page(catalog.collections.get("docs")) == []


def letter(served: World, number: int, row: dict[str, Any] | None = None, payload: bytes | None = None) -> int:
    """A dead letter of the live source "live", whose message is that row, or that payload."""
    event = change_events.event("public.faqs", "u", 7, row, 1_000 + number)
    key, value = event.message
    place = {"topic": "kb-live-1.public.faqs", "partition": 0, "offset": number, "message_key": key}
    dead = DeadLetter("live", f"kb-live-1.public.faqs/0@{number}", "?", payload=payload or value, **place)  # type: ignore[arg-type]
    catalog = served.kb.catalog
    catalog.writer.commit(catalog.collections.get("docs").id, Commit(dead_letters=[dead]))
    return catalog.sources.dead_letters(catalog.collections.get("docs"))[-1].id


def test_a_dead_letter_is_shown_beside_the_row_that_is_stored(served: World) -> None:
    change_events.live_source(served.kb.catalog, served.kb.catalog.collections.get("docs"), "live", "kb-live-1")
    good = {"id": 7, "title": "Question 7", "body": "The first answer.", "status": "a"}
    first = letter(served, 1, good)
    shown = served.call("GET", f"/v1/dead-letters/{first}?collection=docs").json()
    assert shown["row"]["received"] == good and shown["row"]["stored"] is None and shown["document"] is None
    assert served.call("POST", f"/v1/dead-letters/{first}/replay?collection=docs").json()["replayed"] == 1
    second = letter(served, 2, good | {"body": "A better answer."})
    shown = served.call("GET", f"/v1/dead-letters/{second}?collection=docs").json()
    assert shown["row"]["table"] == "public.faqs" and shown["row"]["key"] == "7"
    assert shown["row"]["stored"] == good and shown["row"]["received"]["body"] == "A better answer."
    assert {"title", "body", "status"} <= set(shown["row"]["needed"])
    assert (shown["document"]["key"], shown["document"]["title"]) == ("public.faqs/7", "Question 7")
    broken = letter(served, 3, payload=b'{"op": "u", "after": {"id": 7, "title": "cut o')
    shown = served.call("GET", f"/v1/dead-letters/{broken}?collection=docs").json()
    assert shown["row"]["received"] is None and shown["row"]["stored"] == good, "the key tells which row it was"
    told = served.call("POST", "/v1/dead-letters/replay?collection=docs&source=live").json()
    assert (told["replayed"], told["failed"]) == (1, 1)
    (failure,) = told["failures"]
    assert failure["id"] == broken and "not JSON" in failure["reason"]
