"""Two workers, one of which empties a table while the other writes an older row to it: the slower begins anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.changes import Change, RowChange, RowEvent, Truncation
from ingest.row_mapper import RowMapper
from ingest.table_mapping import parse_mapping
from retrieval.catalog import Catalog, Collection, Commit, sqlite_url
from retrieval.catalog.rows import SourceRows
from retrieval.errors import OvertakenError
from retrieval.types import Document, SourcePosition

MAPPING = parse_mapping({"tables": {"s.faqs": {"title": "question", "body": "question"}}})
OLD = RowChange("s.faqs", "1", {"id": 1, "question": "old"}, SourcePosition((1,)))
NEW = RowChange("s.faqs", "2", {"id": 2, "question": "new"}, SourcePosition((9,)))
EMPTIED = Truncation("s.faqs", SourcePosition((5,)))


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(sqlite_url(tmp_path / "catalog.db"))
    yield opened
    opened.close()


def committed(catalog: Catalog, collection: Collection, rows: SourceRows, *events: RowEvent) -> tuple[Change, ...]:
    """The documents that follow, once the rows are stored."""
    mapper = RowMapper(MAPPING, rows)
    changes = mapper.apply(events)
    catalog.writer.commit(collection.id, Commit(rows=mapper.drain()))
    return changes


@pytest.mark.parametrize(("faster", "slower"), [(EMPTIED, OLD), (OLD, EMPTIED)])
def test_the_slower_of_two_is_refused_and_succeeds_when_it_begins_anew(
    catalog: Catalog, faster: RowEvent, slower: RowEvent
) -> None:
    collection = catalog.collections.create("c", "hash", "f")
    rows = catalog.sources.rows(catalog.sources.register(collection, "db", "database"))
    mappers = [RowMapper(MAPPING, rows) for _ in range(2)]
    for mapper, event in zip(mappers, (faster, slower), strict=True):
        mapper.apply([event, NEW])
    catalog.writer.commit(collection.id, Commit(rows=mappers[0].drain()))
    with pytest.raises(OvertakenError, match="emptied"):
        catalog.writer.commit(collection.id, Commit(rows=mappers[1].drain()))
    mappers[1].apply([slower, NEW])
    catalog.writer.commit(collection.id, Commit(rows=mappers[1].drain()))
    assert list(rows.keys("s.faqs")) == ["2"]


def test_a_row_found_again_at_its_source_comes_back_to_a_table_emptied_since_its_deletion(catalog: Catalog) -> None:
    collection = catalog.collections.create("c", "hash", "f")
    rows = catalog.sources.rows(catalog.sources.register(collection, "db", "database"))
    deletion = RowChange("s.faqs", "1", None, SourcePosition((2,)))
    committed(catalog, collection, rows, OLD, deletion, EMPTIED)
    mended = replace(OLD, row={"id": 1, "question": "back"}, position=None)
    assert [type(one) for one in committed(catalog, collection, rows, mended)] == [Document]
    assert list(rows.keys("s.faqs")) == ["1"]
    assert committed(catalog, collection, rows, OLD) == (), "what is older than the emptying stays old"
    later = replace(NEW, pk="1", position=SourcePosition((6,)))
    committed(catalog, collection, rows, later)
    assert rows.read("s.faqs", "1") == (SourcePosition((6,)), later.row)
