"""What `kb ingest` does with a folder, a file or a database that is ingested again, under its options."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from kb_ingestion import LONG_AGO, Ingestion, folder, ingestion, kb, put

from api.sources.names import check_free
from api.sources.opening import open_source
from api.sources.removal import remove_source
from ingest import pipeline
from ingest.changes import ChangeBatch
from ingest.contracts import SOURCES
from ingest.errors import SourceError
from ingest.pipeline import Pipeline
from ingest.sources.files import FileSource
from ingest.table_mapping import load_mapping
from retrieval.catalog import Outcome
from retrieval.errors import ConflictError, NotFoundError
from retrieval.types import Document

__all__ = ["folder", "ingestion", "kb"]

A, B, C = (f'{{"id": "{key}", "text": "words of {key}"}}' for key in "abc")


def test_a_file_url_is_the_path_it_stands_for(ingestion: Ingestion, tmp_path: Path) -> None:
    put(tmp_path / "our notes" / "a.txt", "Words")
    ingestion.run((tmp_path / "our notes").as_uri())
    ingestion.run(put(tmp_path / "our notes" / "s.jsonl", A).as_uri())
    assert set(ingestion.documents()) == {"a.txt", "a"}


class Mailbox:
    """A source as a package brings it."""

    kind, mirror = "mailbox", True

    def __init__(self, what: str, name: str) -> None:
        self.name, self._count = name or what, int(what.removeprefix("box:"))

    def poll(self, cursor: str | None) -> Iterator[ChangeBatch]:
        letters = tuple(Document(f"letter {number}", f"Words of letter {number}") for number in range(self._count))
        yield ChangeBatch(letters, cursor=str(self._count))


def test_a_source_of_a_package_is_read_by_its_name(ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SOURCES, "_entries", dict(SOURCES._entries))
    with pytest.raises(SourceError, match="format 'mailbox' is unknown; expected one of auto, debezium, files"):
        ingestion.run("box:2", kind="mailbox")
    SOURCES.register("mailbox", Mailbox)
    assert ingestion.run("box:3", kind="mailbox", name="post").outcomes[Outcome.CREATED] == 3
    assert ingestion.run("box:1", kind="mailbox", name="post", allow_mass_deletion=True).outcomes[Outcome.DELETED] == 2
    assert set(ingestion.documents()) == {"letter 0"}
    with pytest.raises(SourceError, match="a source of format 'mailbox' says itself .* leave out --acl"):
        ingestion.run("box:1", kind="mailbox", acl=["hr"])


def test_two_processes_that_make_one_collection_get_the_same(
    ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    collections, name = ingestion.kb.catalog.collections, ingestion.collection.name
    with monkeypatch.context() as patched:
        patched.setattr(collections, "all", lambda: [])  # as the slower one saw them
        assert ingestion.kb.ensure_collection(name) == collections.get(name)


def test_without_mirror_a_folder_keeps_what_is_gone_and_says_so(ingestion: Ingestion, folder: Path) -> None:
    ingestion.run(folder)
    (folder / "b.txt").unlink()
    assert ingestion.run(folder, mirror=False).kept == 1
    assert set(ingestion.documents()) == {"a.txt", "b.txt"}
    report = ingestion.run(folder)
    assert (report.kept, report.outcomes[Outcome.DELETED]) == (0, 1)
    assert set(ingestion.documents()) == {"a.txt"}


@pytest.mark.parametrize(("bad", "withheld"), [('{"id": "b", "text": 7}', 0), ('{"id": "b", "tex', 1)])
def test_a_line_that_turns_bad_deletes_nothing_and_settles_once_mended(
    ingestion: Ingestion, tmp_path: Path, bad: str, withheld: int
) -> None:
    lines = tmp_path / "s.jsonl"
    ingestion.run(put(lines, f"{A}\n{B}\n{C}\n"), mirror=True)
    report = ingestion.run(put(lines, f"{A}\n{bad}\n{C}\n"), mirror=True)
    assert (report.failed, report.withheld) == (1, withheld)
    assert set(ingestion.documents()) == {"a", "b", "c"}
    assert ingestion.letters() == ["b" if not withheld else "s.jsonl:2"]
    ingestion.run(put(lines, f"{A}\n{B}\n"), mirror=True)
    assert set(ingestion.documents()) == {"a", "b"}, "what is gone goes once every line can be read"
    assert ingestion.letters() == []


def test_files_that_are_as_they_were_count_as_unchanged(ingestion: Ingestion, folder: Path) -> None:
    put(folder / "empty.txt", "")
    ingestion.run(folder)
    report = ingestion.run(folder)
    assert (report.documents, report.outcomes[Outcome.UNCHANGED], report.unread, report.failed) == (2, 2, 2, 1)


def test_the_dead_letter_of_a_file_goes_with_the_file(ingestion: Ingestion, folder: Path) -> None:
    bad, worse = put(folder / "bad.pdf", "no"), put(folder / "worse.pdf", "no")
    ingestion.run(folder)
    assert ingestion.letters() == ["bad.pdf", "worse.pdf"]
    bad.unlink()
    ingestion.run(folder / "a.txt")
    assert ingestion.letters() == ["bad.pdf", "worse.pdf"], "one file says nothing of the others"
    ingestion.run(folder)
    assert ingestion.letters() == [worse.name]


def test_duplicates_are_told_on_request(ingestion: Ingestion, folder: Path) -> None:
    put(folder / "copy.txt", "WORDS of a.txt")
    assert ingestion.run(folder).duplicates == []
    put(folder / "third.txt", "words of A.txt")
    for unread in (3, 4):
        report = ingestion.run(folder, find_duplicates=True)
        assert report.unread == unread, "also those that are not read again are compared"
        assert [sorted(group.keys) for group in report.duplicates] == [["a.txt", "copy.txt", "third.txt"]]


def test_unchanged_documents_are_read_in_batches_to_find_duplicates(
    ingestion: Ingestion, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("c.txt", "d.txt", "e.txt"):
        put(folder / name, "words of A.txt")
    ingestion.run(folder)
    monkeypatch.setattr(pipeline, "TEXTS_AT_ONCE", 2)
    statements: list[str] = []

    def note(*call: Any) -> None:
        statements.append(call[2])

    sa.event.listen(ingestion.kb.catalog._engine, "before_cursor_execute", note)
    try:
        report = ingestion.run(folder, find_duplicates=True)
    finally:
        sa.event.remove(ingestion.kb.catalog._engine, "before_cursor_execute", note)
    assert [sorted(group.keys) for group in report.duplicates] == [["a.txt", "c.txt", "d.txt", "e.txt"]]
    assert sum("document_texts" in statement for statement in statements) == 3, "two at once, of five"


@pytest.fixture
def shop(tmp_path: Path) -> str:
    execute(tmp_path / "shop.db", SHOP)
    return f"sqlite:///{tmp_path / 'shop.db'}"


SHOP = """
CREATE TABLE pens (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE cups (id INTEGER PRIMARY KEY, name TEXT, pen INTEGER);
INSERT INTO pens VALUES (1, 'red pen'), (2, 'blue pen');
INSERT INTO cups VALUES (1, 'tea cup', 1);
"""


def execute(database: Path, script: str) -> None:
    connection = sqlite3.connect(database)
    connection.executescript(script)
    connection.close()


def mapping_of(folder: Path, *tables: str) -> Path:
    lines = (f"  main.{table}: {{title: name, body: name}}\n" for table in tables)
    return put(folder / f"{'-'.join(tables)}.yaml", "tables:\n" + "".join(lines))


def test_a_table_left_out_of_the_mapping_takes_its_documents_along(
    ingestion: Ingestion, shop: str, tmp_path: Path
) -> None:
    both, pens = mapping_of(tmp_path, "pens", "cups"), mapping_of(tmp_path, "pens")
    ingestion.run(shop, mapping=both)
    assert ingestion.run(shop, mapping=pens, mirror=False).kept == 1
    assert set(ingestion.documents()) == {"main.pens/1", "main.pens/2", "main.cups/1"}
    assert ingestion.run(shop, mapping=pens).outcomes[Outcome.DELETED] == 1
    assert set(ingestion.documents()) == {"main.pens/1", "main.pens/2"}
    ingestion.run(shop, mapping=both)
    assert set(ingestion.documents()) == {"main.pens/1", "main.pens/2", "main.cups/1"}


def test_without_mirror_rows_that_are_gone_stay(ingestion: Ingestion, shop: str, tmp_path: Path) -> None:
    pens = mapping_of(tmp_path, "pens")
    ingestion.run(shop, mapping=pens)
    execute(tmp_path / "shop.db", "DELETE FROM pens WHERE id = 2")
    assert ingestion.run(shop, mapping=pens, mirror=False).kept == 1
    assert set(ingestion.documents()) == {"main.pens/1", "main.pens/2"}
    assert ingestion.run(shop, mapping=pens).outcomes[Outcome.DELETED] == 1
    assert set(ingestion.documents()) == {"main.pens/1"}


def test_tables_that_lost_most_of_their_rows_delete_nothing_unless_that_is_meant(
    ingestion: Ingestion, shop: str, tmp_path: Path
) -> None:
    """Rows count together: of two tables neither alone loses over half of the documents."""
    tables = ("pens", "cups")
    for table in tables:
        rows = ", ".join(f"({number}, 'words {number}')" for number in range(3, 23))
        execute(tmp_path / "shop.db", f"INSERT INTO {table} (id, name) VALUES {rows}")
    mapping = mapping_of(tmp_path, *tables)
    ingestion.run(shop, mapping=mapping)
    before = ingestion.documents()
    for table in tables:
        execute(tmp_path / "shop.db", f"DELETE FROM {table} WHERE id > 8")
    execute(tmp_path / "shop.db", "UPDATE pens SET name = 'green pen' WHERE id = 1; DELETE FROM cups")
    for _ in range(2):
        report = ingestion.run(shop, mapping=mapping)
        assert (report.withheld, report.outcomes[Outcome.DELETED]) == (35, 0)
    assert ingestion.documents().keys() == before.keys()
    assert ingestion.documents()["main.pens/1"].text == "green pen"
    report = ingestion.run(shop, mapping=mapping, allow_mass_deletion=True)
    assert (report.withheld, report.outcomes[Outcome.DELETED]) == (0, 35)
    assert set(ingestion.documents()) == {f"main.pens/{number}" for number in range(1, 9)}
    execute(tmp_path / "shop.db", "DELETE FROM pens WHERE id > 1")
    report = ingestion.run(shop, mapping=mapping)
    assert (report.withheld, report.outcomes[Outcome.DELETED]) == (0, 7), "so few a person notices by himself"


JOINED = """
tables:
  main.cups:
    title: name
    body: "{name} beside {pen.name}"
    include:
      pen: {table: main.pens, on: {id: pen}}
"""


@pytest.mark.parametrize("also", ["", "DELETE FROM pens", "UPDATE pens SET name = 'green pen'"])
def test_rows_that_are_gone_are_not_there_because_what_they_join_has_changed(
    ingestion: Ingestion, shop: str, tmp_path: Path, also: str
) -> None:
    rows = ", ".join(f"({number}, 'cup {number}', 1)" for number in range(2, 31))
    execute(tmp_path / "shop.db", f"INSERT INTO cups VALUES {rows}")
    mapping = put(tmp_path / "joined.yaml", JOINED)
    ingestion.run(shop, mapping=mapping)
    execute(tmp_path / "shop.db", f"DELETE FROM cups; {also}")
    assert ingestion.run(shop, mapping=mapping).withheld == 30
    execute(tmp_path / "shop.db", "UPDATE pens SET name = 'black pen' WHERE id = 1")
    assert ingestion.run(shop, mapping=mapping).withheld == 30
    assert len(ingestion.documents()) == 30
    assert ingestion.run(shop, mapping=mapping, allow_mass_deletion=True).outcomes[Outcome.DELETED] == 30


def test_change_events_refuse_to_mirror(ingestion: Ingestion, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="say themselves what is deleted"):
        ingestion.run(put(tmp_path / "e", ""), kind="debezium", mapping=mapping_of(tmp_path, "pens"), mirror=False)


def test_sources_never_take_each_other_a_document(ingestion: Ingestion, tmp_path: Path) -> None:
    """Of two folders with a file of one name the first keeps the key; the other's comes in once it is free."""
    for name in ("hr", "eng"):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "readme.md"
        file.write_text(f"What {name} says.", encoding="utf-8")
        os.utime(file, (LONG_AGO, LONG_AGO))
    hr, eng = tmp_path / "hr", tmp_path / "eng"
    assert ingestion.run(hr, acl=["hr"]).outcomes[Outcome.CREATED] == 1
    for _ in range(2):
        report = ingestion.run(eng, acl=["eng"])
        assert (report.failed, report.documents) == (1, 0)
        (failure,) = report.failures
        assert failure.key == "readme.md" and hr.as_uri() in failure.reason and "--prefix" in failure.remedy
        assert ingestion.documents()["readme.md"].text == "What hr says." and ingestion.letters() == ["readme.md"]
    (hr / "readme.md").unlink()
    assert ingestion.run(hr, acl=["hr"]).outcomes[Outcome.DELETED] == 1
    assert ingestion.run(eng, acl=["eng"]).outcomes[Outcome.CREATED] == 1
    assert ingestion.documents()["readme.md"].text == "What eng says." and ingestion.letters() == []
    assert ingestion.run(eng, acl=["eng"]).unread == 1


@pytest.mark.parametrize("moment", ["while it is read", "while it is prepared"])
def test_a_source_that_comes_in_while_another_is_read_keeps_its_documents(
    ingestion: Ingestion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    for name in ("hr", "eng"):
        put(tmp_path / name / "a.txt", f"First of {name}.")
        put(tmp_path / name / f"{name}.txt", f"What {name} says.")
    place = (FileSource, "poll") if moment == "while it is read" else (Pipeline, "_begin")
    usual = getattr(*place)

    def with_another(*arguments: Any) -> Any:
        monkeypatch.undo()
        done = usual(*arguments)  # the poll of a folder begins when its first batch is asked for
        assert ingestion.run(tmp_path / "eng", acl=["eng"]).outcomes[Outcome.CREATED] == 2
        return done

    monkeypatch.setattr(*place, with_another)
    report = ingestion.run(tmp_path / "hr", acl=["everyone"])
    assert [failure.key for failure in report.failures] == ["a.txt"] == ingestion.letters()
    assert ingestion.acls() == {"a.txt": ("eng",), "eng.txt": ("eng",), "hr.txt": ("everyone",)}


def test_a_prefix_keeps_equal_names_apart(ingestion: Ingestion, tmp_path: Path) -> None:
    for name in ("hr", "eng"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "readme.md").write_text(f"What {name} says.", encoding="utf-8")
        assert ingestion.run(tmp_path / name, prefix=f"{name}/").outcomes[Outcome.CREATED] == 1
    lines = tmp_path / "lines.jsonl"
    lines.write_text(A, encoding="utf-8")
    assert ingestion.run(lines, prefix="lines/").outcomes[Outcome.CREATED] == 1
    assert set(ingestion.documents()) == {"hr/readme.md", "eng/readme.md", "lines/a"}


def test_two_databases_with_a_table_of_one_name_need_two_collections(ingestion: Ingestion, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text('tables: {main.t: {title: id, body: "{words}"}}', encoding="utf-8")
    for name in ("first", "second"):
        with sqlite3.connect(tmp_path / name) as rows:
            rows.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, words TEXT)")
            rows.execute("INSERT INTO t VALUES (1, ?)", [name])
    assert ingestion.run(f"sqlite:///{tmp_path}/first", mapping=mapping).outcomes[Outcome.CREATED] == 1
    with pytest.raises(ConflictError, match="main.t is mapped by source"):
        ingestion.run(f"sqlite:///{tmp_path}/second", mapping=mapping)
    assert ingestion.run(f"sqlite:///{tmp_path}/first", mapping=mapping).failed == 0
    assert ingestion.documents()["main.t/1"].text == "first"


EVENT = (
    '{"key": {"id": 1}, "value": {"op": "c", "before": null, "after": {"id": 1, "name": "%s"}, "source": '
    '{"connector": "postgresql", "schema": "main", "table": "pens", "lsn": 9}}}\n'
)


def test_a_table_has_one_source_of_whatever_kind(ingestion: Ingestion, shop: str, tmp_path: Path) -> None:
    pens, cups = mapping_of(tmp_path, "pens"), mapping_of(tmp_path, "cups")
    first, second = (put(tmp_path / f"{name}.jsonl", EVENT % name) for name in ("first", "second"))
    kb, tables = ingestion.kb, {"main.pens": {"title": "name", "body": "{name}"}}
    live = kb.catalog.sources.create(ingestion.collection, "live", "postgresql", {"tables": tables})
    for what in (shop, first):
        with pytest.raises(ConflictError, match="main.pens is mapped by source 'live'"):
            ingestion.run(what, mapping=pens)
    kb.catalog.sources.delete(live)
    for _ in range(2):
        assert ingestion.run(first, mapping=pens).failed == 0
    for what in (shop, second):
        with pytest.raises(ConflictError, match="main.pens is mapped by source"):
            ingestion.run(what, mapping=pens)
    with pytest.raises(ConflictError, match="main.pens is mapped by source"):
        check_free(kb, ingestion.collection, load_mapping(pens), name="live")
    assert ingestion.run(shop, mapping=cups).failed == 0
    assert ingestion.run(second, mapping=pens, name=first.as_uri()).failed == 0
    assert {key: document.text for key, document in ingestion.documents().items()} == {
        "main.pens/1": "second",
        "main.cups/1": "tea cup",
    }


def test_another_mapping_reaches_change_events_that_were_read(ingestion: Ingestion, tmp_path: Path) -> None:
    """Also by a new join to rows that come later in the file."""
    cup = EVENT.replace('"id": 1, "name"', '"id": 1, "pen": 1, "name"').replace('"pens"', '"cups"') % "tea cup"
    events = put(tmp_path / "events.jsonl", cup + EVENT % "red pen")
    ingestion.run(events, mapping=mapping_of(tmp_path, "cups", "pens"))
    assert ingestion.run(events, mapping=mapping_of(tmp_path, "cups", "pens")).documents == 0
    joined = put(tmp_path / "joined.yaml", JOINED)
    report = ingestion.run(events, mapping=joined)
    assert (report.outcomes[Outcome.UPDATED], report.failed) == (1, 0)
    assert ingestion.documents()["main.cups/1"].text == "tea cup beside red pen"
    assert ingestion.run(events, mapping=joined).documents == 0


def test_a_table_that_the_mapping_names_later_is_read_from_the_events(ingestion: Ingestion, tmp_path: Path) -> None:
    events = put(tmp_path / "events.jsonl", EVENT % "red pen")
    ingestion.run(events, mapping=mapping_of(tmp_path, "cups"))
    assert ingestion.documents() == {}
    ingestion.run(events, mapping=mapping_of(tmp_path, "pens", "cups"))
    assert set(ingestion.documents()) == {"main.pens/1"}


def test_a_source_that_is_deleted_while_it_is_read_says_so(
    ingestion: Ingestion, shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "BATCH_CHANGES", 1)
    opened = open_source(ingestion.kb, ingestion.collection.name, shop, mapping=mapping_of(tmp_path, "cups", "pens"))
    record = ingestion.kb.catalog.sources.get(ingestion.collection, opened.source.name)

    def delete(_: int) -> None:
        if record in ingestion.kb.catalog.sources.all(ingestion.collection):
            remove_source(ingestion.kb, ingestion.collection, record, "delete")

    with pytest.raises(NotFoundError, match="the source of table main.pens was deleted"):
        ingestion.kb.ingest(ingestion.collection.name, opened.source, rows=opened.rows, progress=delete)
    assert ingestion.documents() == {}
