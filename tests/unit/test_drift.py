"""Columns that come, go, or change their name: told once, and nothing stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingest.changes import RowChange
from ingest.drift import notices_of
from ingest.row_mapper import RowMapper
from ingest.table_mapping import parse_mapping
from retrieval.catalog import Catalog, Commit, Upsert, sqlite_url
from retrieval.types import Document, SourcePosition

MAPPING = parse_mapping({"tables": {"s.faqs": {"title": "question", "body": "{question}\n{answer}"}}})


def change(at: int, **row: Any) -> RowChange:
    return RowChange("s.faqs", str(row["id"]), row, SourcePosition((at,)))


class Source:
    """A source in a real catalog; every batch is read by a new mapper."""

    def __init__(self, folder: Path) -> None:
        self.catalog = Catalog(sqlite_url(folder / "catalog.db"))
        self.collection = self.catalog.collections.create("c", "hash", "f")
        self.record = self.catalog.sources.register(self.collection, "db", "database")

    def apply(self, *events: RowChange) -> list[str]:
        """The texts of the documents that these changes made."""
        mapper = RowMapper(MAPPING, self.catalog.sources.rows(self.record))
        documents = [document for document in mapper.apply(events) if isinstance(document, Document)]
        commit = Commit([Upsert(document, ()) for document in documents], rows=mapper.drain())
        self.catalog.writer.commit(self.collection.id, commit)
        return [document.text for document in documents]

    @property
    def notices(self) -> list[tuple[str, Any]]:
        records = self.catalog.source_tables.notices(self.record.id)
        return [(record.kind, record.detail) for record in records]


def test_a_change_of_columns_is_told_once_and_rows_go_on(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.apply(change(1, id=1, question="q", answer="a"))
    source.apply(change(2, id=2, question="q", answer="a", rank=1), change(3, id=3, question="q", answer="a", rank=2))
    assert source.notices == [("columns_added", {"columns": ["rank"], "used": []})]
    assert source.catalog.source_tables.columns(source.record.id) == {"s.faqs": ("answer", "id", "question", "rank")}
    source.apply(change(1, id=1, question="q", answer="a"))
    assert len(source.notices) == 1, "an event from before says nothing"
    assert source.apply(change(4, id=1, question="q2", rank=1)) == ["q2"], "a column that is gone is empty"
    assert source.notices[1] == ("columns_removed", {"columns": ["answer"], "used": ["answer"]})
    source.apply(change(5, id=1, question="q2", place=1))
    assert source.notices[2] == ("maybe_renamed", {"old": "rank", "new": "place", "used": []})
    record = source.catalog.source_tables.notices(source.record.id, after=1)[0]
    assert "the mapping names answer" in record.message and "new snapshot" in record.message
    source.catalog.close()


def test_two_workers_tell_a_change_once(tmp_path: Path) -> None:
    source = Source(tmp_path)
    source.apply(change(1, id=1, question="q", answer="a"))
    mappers = [RowMapper(MAPPING, source.catalog.sources.rows(source.record)) for _ in range(2)]
    for at, mapper in enumerate(mappers, start=2):
        mapper.apply([change(at, id=at, question="q", answer="a", rank=1)])
    for mapper in mappers:
        source.catalog.writer.commit(source.collection.id, Commit(rows=mapper.drain()))
    assert [kind for kind, _ in source.notices] == ["columns_added"]
    source.catalog.close()


def test_a_column_that_was_never_there_is_told_at_the_first_row() -> None:
    (notice,) = notices_of(MAPPING, "s.faqs", None, ("id", "question"))
    assert notice.kind == "columns_missing" and notice.detail == {"columns": ["answer"], "used": ["answer"]}
    assert notices_of(MAPPING, "s.faqs", None, ("answer", "id", "question")) == []


def test_several_columns_at_once_are_told_apart() -> None:
    notices = notices_of(MAPPING, "s.faqs", ("a", "b", "question"), ("answer", "c", "d", "question"))
    assert [(notice.kind, notice.detail["columns"]) for notice in notices] == [
        ("columns_added", ["answer", "c", "d"]),
        ("columns_removed", ["a", "b"]),
    ]
    assert notices[0].detail["used"] == ["answer"]


def test_rows_that_wait_are_told_of_once_in_a_while(tmp_path: Path) -> None:
    source = Source(tmp_path)
    for at in (1, 2):
        row = {"id": at, "question": "q"}
        waiting = RowChange("s.faqs", str(at), row, SourcePosition((at,)), unavailable=frozenset({"answer"}))
        assert source.apply(waiting) == []
    assert [kind for kind, _ in source.notices] == ["rows_incomplete"]
    source.catalog.close()
