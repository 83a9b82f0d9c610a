"""Batches of the operation log are bounded, by operations and by what their documents hold."""

from __future__ import annotations

import pytest
from pyroaring import BitMap64

from retrieval.catalog import Catalog, Collection, Commit, Upsert, log
from retrieval.types import Chunk, Document, ViewBatch


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "OPERATIONS_PER_BATCH", 8)
    monkeypatch.setattr(log, "CHUNKS_PER_BATCH", 10)
    monkeypatch.setattr(log, "FEW_OPERATIONS", 1)


def write(catalog: Catalog, collection: Collection, key: str, chunks: int) -> None:
    cut = [Chunk(number, key, number * (len(key) + 1), number * (len(key) + 1) + len(key)) for number in range(chunks)]
    catalog.writer.commit(collection.id, Commit([Upsert(Document(key, "\n".join([key] * chunks)), cut)]))


def batches(catalog: Catalog, collection: Collection, seq: int = 0) -> list[ViewBatch]:
    return list(catalog.log.since(collection, seq, BitMap64()))


def sizes(catalog: Catalog, collection: Collection) -> list[tuple[int, int]]:
    """Of each batch the operation it reaches, and its chunks."""
    return [(batch.seq, len(batch.added)) for batch in batches(catalog, collection)]


def test_a_batch_has_as_many_operations_as_their_chunks_allow(catalog: Catalog, handbook: Collection) -> None:
    for number, chunks in enumerate([4, 4, 4, 25, 2, 3]):
        write(catalog, handbook, f"d{number}", chunks)
    assert sizes(catalog, handbook) == [(2, 8), (3, 4), (4, 25), (6, 5)], "a document comes whole, the long one alone"
    assert {chunk.label for batch in batches(catalog, handbook) for chunk in batch.added} == set(
        catalog.log.state(handbook).labels
    )


def test_a_document_that_changed_often_counts_once(catalog: Catalog, handbook: Collection) -> None:
    for round_ in range(3):
        write(catalog, handbook, "a", 4 + round_)
        write(catalog, handbook, "b", 2 + round_)
    assert sizes(catalog, handbook) == [(6, 10)]


def test_short_documents_are_bounded_by_operations(catalog: Catalog, handbook: Collection) -> None:
    for number in range(20):
        write(catalog, handbook, f"d{number}", 1)
    assert sizes(catalog, handbook) == [(8, 8), (16, 8), (20, 4)]
    (last,) = batches(catalog, handbook, 18)
    assert (last.seq, len(last.added)) == (20, 2)
    assert batches(catalog, handbook, 20) == []
