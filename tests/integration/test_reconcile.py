"""Mending a source while a worker applies its changes: what came after the comparison stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.knowledge_base import KnowledgeBase
from api.sources.pipelines import Pipelines
from infra.settings import Settings
from ingest.changes import Row, RowChange
from ingest.reconcile import Reconciler, SourceDifferences
from ingest.row_mapper import RowMapper
from ingest.row_values import link_value
from ingest.table_mapping import parse_mapping
from retrieval.catalog.row_upkeep import TableUse
from retrieval.errors import OvertakenError
from retrieval.types import SourcePosition

TABLE = "main.faqs"
MAPPING = parse_mapping({"tables": {TABLE: {"title": "q", "body": "{q} {a}"}}})


class World:
    """A database of one table, what the catalog holds of it, and a worker between the two."""

    def __init__(self, kb: KnowledgeBase, database: sa.Connection) -> None:
        self.collection = kb.create_collection("docs")
        self.record = kb.catalog.sources.create(self.collection, "shop", "database", {"tables": {}})
        self.pipeline = Pipelines(kb).of(self.collection.id)
        self.reconciler = Reconciler(kb.catalog, self.collection, self.record, MAPPING, self.pipeline)
        self.rows = kb.catalog.sources.rows(self.record)
        self.catalog = kb.catalog
        self.database = database
        self._at = 0

    def change(self, row: Row | None, *, at_source: bool = True) -> None:
        """Row 1 becomes this at the source, where `at_source`, and a worker applies it."""
        self._at += 10
        if at_source:
            self.database.exec_driver_sql("DELETE FROM faqs WHERE id = 1")
            if row is not None:
                self.database.exec_driver_sql("INSERT INTO faqs VALUES (?, ?, ?)", (row["id"], row["q"], row["a"]))
        mapper = RowMapper(MAPPING, self.rows)
        changes = mapper.apply([RowChange(TABLE, "1", row, SourcePosition((self._at, self._at)))])
        read = self.catalog.offsets.rows_version(self.record.id)
        prepared = self.pipeline.prepare("shop", changes)
        self.pipeline.commit(replace(prepared, rows=mapper.drain(), rows_read=read))

    def look(self) -> SourceDifferences:
        return self.reconciler.compare(self.database)

    def mend(self, found: SourceDifferences) -> None:
        self.reconciler.mend(self.database, found)

    @property
    def documents(self) -> set[str]:
        return set(self.catalog.documents.keys(self.collection))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'shop.db'}", isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as kb, engine.connect() as database:
        database.exec_driver_sql("CREATE TABLE faqs (id INTEGER PRIMARY KEY, q TEXT, a TEXT)")
        yield World(kb, database)


FIRST, AGAIN = ({"id": 1, "q": "How long?", "a": answer} for answer in ("A year.", "Two years."))


def test_a_row_that_came_back_before_it_was_mended_stays(world: World) -> None:
    world.change(FIRST, at_source=False)
    found = world.look().confirmed_by(world.look())
    assert [one.kind for one in found.rows] == ["surplus"]
    world.change(None)
    world.change(AGAIN)
    world.mend(found)
    assert world.rows.read(TABLE, "1") == (SourcePosition((30, 30)), AGAIN)
    assert world.documents == {f"{TABLE}/1"}
    assert not world.look().found


def test_a_row_that_moved_between_two_looks_is_on_its_way(world: World) -> None:
    world.change(FIRST, at_source=False)
    first = world.look()
    world.change(AGAIN, at_source=False)  # as where the source deletes it again, which the worker has not read yet
    assert world.look().confirmed_by(world.look()).rows
    assert first.confirmed_by(world.look()).rows == []


def test_a_row_that_is_gone_at_its_source_goes(world: World) -> None:
    world.change(FIRST, at_source=False)
    world.mend(world.look().confirmed_by(world.look()))
    assert world.documents == set()
    assert not world.look().found


def test_a_document_that_came_while_documents_were_compared_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = world.catalog.documents.keys

    def arrives(*asked: object) -> set[str]:
        monkeypatch.undo()
        world.change(FIRST)  # after the stored rows were rendered, before the documents are listed
        return keys(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(world.catalog.documents, "keys", arrives)
    world.mend(SourceDifferences())
    assert world.documents == {f"{TABLE}/1"}


def test_mending_ends_where_the_mapping_changes_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.change(FIRST)
    world.change(AGAIN, at_source=True)
    world.change(FIRST, at_source=False)
    found = world.look().confirmed_by(world.look())
    assert [one.kind for one in found.rows] == ["changed"]
    prepare = world.pipeline.prepare

    def meanwhile(*asked: object) -> object:
        monkeypatch.undo()
        record = world.catalog.sources.change(world.record, config={"tables": {TABLE: {"title": "q", "body": "{a}"}}})
        world.catalog.sources.refit(record, {TABLE: TableUse(frozenset(), False, True)}, link_value)
        return prepare(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(world.pipeline, "prepare", meanwhile)
    with pytest.raises(OvertakenError, match="mapping of source shop was changed"):
        world.mend(found)
    assert world.rows.read(TABLE, "1") == (SourcePosition((30, 30)), FIRST), "not by the mapping of before"


def fill(world: World, keys: range, *, at_source: bool) -> None:
    if at_source:
        for key in keys:
            world.database.exec_driver_sql("INSERT INTO faqs VALUES (?, 'q', 'a')", (key,))
    mapper = RowMapper(MAPPING, world.rows)
    position = SourcePosition((1, 0))
    changes = mapper.apply([RowChange(TABLE, str(key), {"id": key, "q": "q", "a": "a"}, position) for key in keys])
    world.pipeline.commit(replace(world.pipeline.prepare("shop", changes), rows=mapper.drain()))


def test_rows_that_went_unnoticed_go(world: World) -> None:
    fill(world, range(2, 12), at_source=True)
    fill(world, range(20, 25), at_source=False)
    gone = world.reconciler.surplus(world.database)
    assert sorted(int(one.key) for one in gone.rows) == list(range(20, 25)) and gone.rows_compared == 10
    world.database.exec_driver_sql("INSERT INTO faqs VALUES (20, 'q', 'a')")
    world.database.exec_driver_sql("ALTER TABLE faqs DROP COLUMN a")  # that the mapping names: rows go all the same
    gone = gone.confirmed_by(world.reconciler.surplus(world.database))
    world.reconciler.mend_rows(world.database, gone)
    assert world.documents == {f"{TABLE}/{key}" for key in (*range(2, 12), 20)}


def test_a_table_that_would_lose_most_of_its_rows_keeps_them(world: World, caplog: pytest.LogCaptureFixture) -> None:
    fill(world, range(2, 4), at_source=True)
    fill(world, range(20, 31), at_source=False)
    assert not world.reconciler.surplus(world.database).found
    assert "11 of 13 rows of main.faqs are not in the database, and stay" in caplog.text
    world.database.exec_driver_sql("ALTER TABLE faqs RENAME TO questions")
    assert not world.reconciler.surplus(world.database).found
    assert "rows of main.faqs that are gone stay: " in caplog.text
