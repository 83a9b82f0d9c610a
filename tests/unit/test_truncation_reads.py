"""A truncation reads the rows that it deletes, some at a time, and of all others nothing but their positions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ingest.changes import RowChange, Truncation
from ingest.row_mapper import RowMapper
from ingest.rows import PendingRows, Stored
from ingest.table_mapping import parse_mapping
from retrieval.catalog import Catalog, Commit, sqlite_url
from retrieval.catalog import rows as catalog_rows
from retrieval.types import SourcePosition

TABLE = "s.faqs"
MAPPING = parse_mapping({"tables": {TABLE: {"title": "question", "body": "question"}}})
OLD, NEW = ([str(number) for number in range(first, 12, 2)] for first in (0, 1))


class CountingRows(catalog_rows.SourceRows):
    """Stored rows that remember which were read, and how."""

    def __init__(self, rows: catalog_rows.SourceRows) -> None:
        super().__init__(rows._engine, rows.source_id)
        self.read_alone: list[str] = []
        self.read_together: list[str] = []

    def read(self, table: str, key: str) -> Stored | None:
        self.read_alone.append(key)
        return super().read(table, key)

    def read_many(self, table: str, keys: Sequence[str]) -> Mapping[str, Stored]:  # type: ignore[override]
        self.read_together += keys
        return super().read_many(table, keys)


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingRows]:
    """Rows at 1, `OLD`, and at 9, `NEW`; their keys are read five at a time."""
    monkeypatch.setattr(catalog_rows, "KEYS_PER_PAGE", 5)
    catalog = Catalog(sqlite_url(tmp_path / "catalog.db"))
    collection = catalog.collections.create("c", "hash", "f")
    stored = catalog.sources.rows(catalog.sources.register(collection, "db", "database"))
    mapper = RowMapper(MAPPING, stored)
    mapper.apply([change(key, 1) for key in OLD] + [change(key, 9) for key in NEW])
    catalog.writer.commit(collection.id, Commit(rows=mapper.drain()))
    yield CountingRows(stored)
    catalog.close()


def change(key: str, at: int) -> RowChange:
    return RowChange(TABLE, key, {"id": key, "question": f"at {at}"}, SourcePosition((at,)))


@pytest.mark.parametrize(("at", "gone"), [(0, []), (5, OLD), (9, [*OLD, *NEW]), (None, [*OLD, *NEW])])
def test_only_what_is_deleted_is_read(rows: CountingRows, at: int | None, gone: list[str]) -> None:
    changes = RowMapper(MAPPING, rows).apply([Truncation(TABLE, None if at is None else SourcePosition((at,)))])
    assert {one.key for one in changes} == {f"{TABLE}/{key}" for key in gone}
    assert (sorted(rows.read_together), rows.read_alone) == (sorted(gone), [])


def test_rows_of_the_batch_under_way_count_as_they_are_there(rows: CountingRows) -> None:
    pending = PendingRows(rows, {TABLE: frozenset()}, {TABLE: frozenset()})
    pending.put(TABLE, "0", SourcePosition((7,)), {"id": "0"})
    pending.put(TABLE, "2", SourcePosition((3,)), None)
    pending.put(TABLE, "99", SourcePosition((5,)), {"id": "99"})
    assert set(pending.keys(TABLE, SourcePosition((5,)))) == {*OLD, "99"} - {"0", "2"}
    assert set(pending.keys(TABLE)) == {*OLD, *NEW, "99"} - {"2"}
