"""Two workers, one of which empties a table while the other writes an older row to it: the slower begins anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.changes import RowChange, RowEvent, Truncation
from ingest.mapping import RowMapper, parse_mapping
from retrieval.catalog import Catalog, Commit, sqlite_url
from retrieval.errors import OvertakenError
from retrieval.types import SourcePosition

MAPPING = parse_mapping({"tables": {"s.faqs": {"title": "question", "body": "question"}}})
OLD = RowChange("s.faqs", "1", {"id": 1, "question": "old"}, SourcePosition((1,)))
NEW = RowChange("s.faqs", "2", {"id": 2, "question": "new"}, SourcePosition((9,)))
EMPTIED = Truncation("s.faqs", SourcePosition((5,)))


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(sqlite_url(tmp_path / "catalog.db"))
    yield opened
    opened.close()


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
