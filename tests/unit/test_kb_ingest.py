"""What `kb ingest` does with a folder, a file or a database that is ingested again, under its options."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.knowledge_base import KnowledgeBase
from api.source_names import check_free
from api.source_removal import remove_source
from api.sources import open_source
from infra.settings import Settings
from ingest import pipeline
from ingest.errors import SourceError
from ingest.mapping import load_mapping
from ingest.report import IngestReport
from ingest.sources.files import FileSource
from retrieval.catalog import Outcome
from retrieval.errors import ConflictError, NotFoundError
from retrieval.types import OPERATOR, Document

LONG_AGO = 1_700_000_000  # seconds since the epoch; stamps of files this old are trusted
A, B, C = (f'{{"id": "{key}", "text": "words of {key}"}}' for key in "abc")


class Ingestion:
    """`kb ingest` into a collection of its own."""

    def __init__(self, kb: KnowledgeBase, name: str) -> None:
        self.kb = kb
        self.collection = kb.ensure_collection(name)

    def run(self, what: Path | str, *, find_duplicates: bool = False, **options: Any) -> IngestReport:
        opened = open_source(self.kb, self.collection.name, str(what), **options)
        return self.kb.ingest(self.collection.name, opened.source, rows=opened.rows, find_duplicates=find_duplicates)

    def documents(self) -> dict[str, Document]:
        documents = self.kb.catalog.documents
        keys = documents.keys(self.collection)
        return {key: documents.get(self.collection, key, OPERATOR).document for key in keys}

    def letters(self) -> list[str]:
        return [letter.key for letter in self.kb.catalog.sources.dead_letters(self.collection)]

    def acls(self) -> dict[str, tuple[str, ...] | None]:
        return {key: document.acl for key, document in self.documents().items()}


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(Settings(data_dir=tmp_path_factory.mktemp("data"), encoder="hash")) as opened:
        yield opened


@pytest.fixture
def ingestion(kb: KnowledgeBase) -> Ingestion:
    return Ingestion(kb, f"c{len(kb.catalog.collections.all())}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.txt"):
        put(tmp_path / "in" / name, f"Words of {name}")
    return tmp_path / "in"


def put(path: Path, content: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@pytest.mark.parametrize(("former", "later"), [(None, ["hr"]), (["hr"], ["secret"])])
def test_another_acl_reaches_every_file_and_embeds_nothing(
    ingestion: Ingestion, folder: Path, former: list[str] | None, later: list[str]
) -> None:
    ingestion.run(folder, acl=former)
    report = ingestion.run(folder, acl=later)
    assert ingestion.acls() == dict.fromkeys(("a.txt", "b.txt"), tuple(later))
    assert (report.outcomes[Outcome.METADATA], report.chunks, report.embedded) == (2, 0, 0)
    assert ingestion.run(folder, acl=later).documents == 0, "files with the same ACL are not read again"


def test_who_forgets_the_acl_opens_nothing(ingestion: Ingestion, folder: Path) -> None:
    """Neither what was there nor what is new, until another group is named."""
    ingestion.run(folder, acl=["hr"])
    put(folder / "a.txt", "Other words.")
    put(folder / "c.txt", "New words.")
    assert ingestion.run(folder).documents == 2
    assert ingestion.acls() == dict.fromkeys(("a.txt", "b.txt", "c.txt"), ("hr",))
    ingestion.run(folder, acl=["everyone"])
    assert ingestion.acls() == dict.fromkeys(("a.txt", "b.txt", "c.txt"), ("everyone",))


def test_another_acl_reaches_the_document_of_a_file_that_cannot_be_read_any_more(
    ingestion: Ingestion, folder: Path
) -> None:
    ingestion.run(folder, acl=["hr"])
    put(folder / "b.txt", "")
    report = ingestion.run(folder, acl=["secret"])
    assert ingestion.acls() == {"a.txt": ("secret",), "b.txt": ("secret",)}
    assert (report.failed, report.outcomes[Outcome.METADATA]) == (1, 2)


def test_the_acl_of_one_file_says_nothing_of_the_others_in_its_folder(ingestion: Ingestion, folder: Path) -> None:
    ingestion.run(folder)
    ingestion.run(folder / "a.txt", acl=["hr"])
    assert ingestion.acls() == {"a.txt": ("hr",), "b.txt": None}
    ingestion.run(folder, acl=["hr"])
    assert ingestion.acls() == {"a.txt": ("hr",), "b.txt": ("hr",)}


@pytest.mark.parametrize("of_file", ["everyone", "secret"])
def test_the_acl_of_one_file_stays_its_own_until_its_folder_is_given_one(
    ingestion: Ingestion, folder: Path, of_file: str
) -> None:
    ingestion.run(folder, acl=["hr"])
    ingestion.run(folder / "b.txt", acl=[of_file])
    apart = {"a.txt": ("hr",), "b.txt": (of_file,)}
    assert ingestion.acls() == apart
    assert ingestion.run(folder).documents == 0, "files that did not change are not read again"
    for name in apart:
        put(folder / name, f"Other words of {name}")
    ingestion.run(folder / "b.txt")
    ingestion.run(folder)
    put(folder / "c.txt", "New words")
    ingestion.run(folder)
    assert ingestion.acls() == apart | {"c.txt": ("hr",)}
    ingestion.run(folder, acl=["hr"])
    assert ingestion.acls() == dict.fromkeys((*apart, "c.txt"), ("hr",))
    ingestion.run(folder)
    assert ingestion.acls() == dict.fromkeys((*apart, "c.txt"), ("hr",))


@pytest.mark.parametrize("former", [None, ["everyone"]])
def test_a_run_that_ends_early_keeps_its_acl(
    ingestion: Ingestion, folder: Path, monkeypatch: pytest.MonkeyPatch, former: list[str] | None
) -> None:
    """Also for the document of a file that cannot be read any more."""
    if former is not None:
        ingestion.run(folder, acl=former)
        put(folder / "b.txt", "")
    with monkeypatch.context() as patched:
        patched.setattr("ingest.sources.files.BATCH_FILES", 1)
        patched.setattr(pipeline, "BATCH_CHANGES", 1)
        patched.setattr("ingest.sources.files.FileSource._files", lambda source: failing(source, "a.txt"))
        with pytest.raises(SourceError, match="cannot be listed"):
            ingestion.run(folder, acl=["hr"])
    assert ingestion.acls()["a.txt"] == ("hr",)
    ingestion.run(folder)
    assert ingestion.acls() == {"a.txt": ("hr",), "b.txt": ("hr",)}


def failing(source: FileSource, *names: str) -> Iterator[Path]:
    """The files that a folder has before one that cannot be listed."""
    yield from (source._root / name for name in names)
    raise SourceError("folder z cannot be listed")


def test_a_folder_of_an_earlier_version_keeps_its_acl(ingestion: Ingestion, folder: Path) -> None:
    """Its cursor alone tells it."""
    ingestion.run(folder, acl=["hr"])
    sources = ingestion.kb.catalog.sources
    (record,) = sources.all(ingestion.collection)
    sources.change(record, config={})
    ingestion.run(folder / "b.txt", acl=["everyone"])
    put(folder / "a.txt", "Other words")
    ingestion.run(folder)
    assert ingestion.acls() == {"a.txt": ("hr",), "b.txt": ("everyone",)}


def test_a_file_url_is_the_path_it_stands_for(ingestion: Ingestion, tmp_path: Path) -> None:
    put(tmp_path / "our notes" / "a.txt", "Words")
    ingestion.run((tmp_path / "our notes").as_uri())
    ingestion.run(put(tmp_path / "our notes" / "s.jsonl", A).as_uri())
    assert set(ingestion.documents()) == {"a.txt", "a"}


def test_the_acl_of_json_lines_is_that_of_lines_without_one(ingestion: Ingestion, tmp_path: Path) -> None:
    lines = put(tmp_path / "s.jsonl", '{"id": "a", "text": "pay"}\n{"id": "b", "text": "bonus", "acl": ["boss"]}\n')
    ingestion.run(lines, acl=["hr"])
    assert ingestion.acls() == {"a": ("hr",), "b": ("boss",)}
    put(lines, lines.read_text() + C)
    ingestion.run(lines)
    assert ingestion.acls() == {"a": ("hr",), "b": ("boss",), "c": ("hr",)}, "who forgets the ACL opens nothing"
    ingestion.run(lines, acl=["everyone"])
    assert ingestion.acls() == {"a": ("everyone",), "b": ("boss",), "c": ("everyone",)}


@pytest.mark.parametrize("kind", ["sql", "debezium"])
def test_an_acl_for_rows_is_refused_since_the_mapping_says_it(ingestion: Ingestion, tmp_path: Path, kind: str) -> None:
    with pytest.raises(SourceError, match=r"say in the mapping, with acl, who may read them"):
        ingestion.run(put(tmp_path / "rows", ""), kind=kind, acl=["hr"])


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
    for name in ("a.txt", "copy.txt"):
        os.utime(folder / name, (LONG_AGO + 1, LONG_AGO + 1))
    report = ingestion.run(folder, find_duplicates=True)
    assert [group.keys for group in report.duplicates] == [("a.txt", "copy.txt")]


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
    assert ingestion.run(eng, acl=["eng"]).documents == 0


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


def test_a_source_that_is_deleted_while_it_is_read_says_so(
    ingestion: Ingestion, shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "BATCH_CHANGES", 1)
    opened = open_source(ingestion.kb, ingestion.collection.name, shop, mapping=mapping_of(tmp_path, "cups", "pens"))
    record = ingestion.kb.catalog.sources.get(ingestion.collection, opened.source.name)

    def delete(_: int) -> None:
        if record in ingestion.kb.catalog.sources.all(ingestion.collection):
            remove_source(ingestion.kb, ingestion.collection, record, "delete")

    with pytest.raises(NotFoundError, match="the source of table main.cups was deleted"):
        ingestion.kb.ingest(ingestion.collection.name, opened.source, rows=opened.rows, progress=delete)
    assert ingestion.documents() == {}
