"""Numbers that a log passes over are operations like any other, which change nothing."""

from __future__ import annotations

import pytest
from pyroaring import BitMap64

from retrieval.catalog import Catalog, Collection, Commit, Upsert, log
from retrieval.types import Chunk, Document


def write(catalog: Catalog, collection: Collection, key: str) -> int:
    return catalog.writer.commit(collection.id, Commit([Upsert(Document(key, "text"), [Chunk(0, "text", 0, 4)])])).seq


@pytest.mark.parametrize("further", [1, 3_000], ids=["one", "batches"])
def test_views_and_writers_go_on_behind_numbers_passed_over(
    catalog: Catalog, handbook: Collection, further: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "OPERATIONS_PER_BATCH", 2_000)
    first = write(catalog, handbook, "a")
    assert catalog.collections.pass_over(handbook.id, first + further) == first + further
    assert catalog.collections.last_seq(handbook.id) == first + further
    for behind in (first, first - 1):
        assert catalog.collections.pass_over(handbook.id, behind) == first + further, "it never goes back"
    batches = list(catalog.log.since(handbook, first, None))
    assert batches[-1].seq == first + further
    assert not any(batch.removed or batch.added for batch in batches)
    assert catalog.log.holds(handbook, batches[-1].seq, batches[-1].mark)
    assert write(catalog, handbook, "b") == first + further + 1
    added = [chunk for batch in catalog.log.since(handbook, 0, BitMap64()) for chunk in batch.added]
    assert [chunk.metadata["_key"] for chunk in added] == ["a", "b"]
    assert [batch.state for batch in catalog.log.everything(handbook, BitMap64(), None)][0] == first + further + 1
    assert catalog.log.state(handbook, since=first).changed == BitMap64([added[1].label])
    assert [arrival.key for arrival in catalog.arrivals.between(handbook.id, 0, first + further + 1)] == ["a", "b"]
    assert [change.key for change in catalog.arrivals.newest(handbook.id)] == ["b", "a"]


def test_an_empty_log_passes_over_numbers_too(catalog: Catalog, handbook: Collection) -> None:
    assert catalog.collections.pass_over(handbook.id, 0) == 0
    assert catalog.collections.pass_over(handbook.id, 2) == 2
    assert [batch.seq for batch in catalog.log.since(handbook, 0, BitMap64())] == [2]
