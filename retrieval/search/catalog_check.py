"""Candidates become hits: each is joined with the catalog, which alone says what exists now and who may read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from retrieval.catalog import Catalog, Collection
from retrieval.catalog.documents import StoredChunk, chunk_id, document_id, own_fields
from retrieval.filters import Filter, matches
from retrieval.ranking.fusion import Candidates, Fused
from retrieval.search.types import CHUNKS_PER_DOCUMENT, Hit, SearchRequest
from retrieval.types import Principal


@dataclass(slots=True)
class _Passed:
    """What passed so far, and of which documents it is."""

    hits: list[Hit] = field(default_factory=list)
    documents: set[int] = field(default_factory=set)


class CatalogCheck:
    """Lets the candidates of one search pass that exist, that the caller may read, and that pass the filter.

    `document_of` gives the document of a chunk's label as the views know it, or None.
    """

    def __init__(
        self,
        catalog: Catalog,
        collection: Collection,
        request: SearchRequest,
        principal: Principal,
        document_of: Callable[[int], int | None],
    ) -> None:
        self._catalog = catalog
        self._collection = collection
        self._request = request
        self._principal = principal
        self._document_of = document_of

    def first(self, candidates: Candidates, wanted: int) -> tuple[list[Hit], bool]:
        """The first `wanted` candidates that pass, grouped as the request says; reads only as many as it needs.

        With it, whether the catalog no longer has one that stood before the last of them.
        """
        expected = self._expected(candidates, wanted)
        if expected:
            passed = _Passed()
            self._collect(expected, wanted, passed)
            if len(passed.hits) == len(expected):
                return passed.hits, False
        passed, overtaken = _Passed(), False
        for part in _growing_parts(candidates, wanted):
            overtaken |= self._collect(part, wanted, passed)
            if len(passed.hits) >= wanted:
                break
        return passed.hits[:wanted], overtaken

    def _expected(self, candidates: Candidates, wanted: int) -> list[Fused]:
        """The candidates that become the hits if each of them passes the catalog; none where that cannot be told."""
        if self._request.group_by == "chunk":
            return candidates[:wanted]
        most = 2 * CHUNKS_PER_DOCUMENT * wanted
        documents: set[int] = set()
        chosen: list[int] = []
        for place, label in enumerate(candidates.labels(most)):
            document = self._document_of(label)
            if document is None:
                return []
            if document not in documents:
                documents.add(document)
                chosen.append(place)
                if len(chosen) == wanted:
                    break
        else:
            if len(candidates) > most:
                return []
        return candidates.at(chosen)

    def _collect(self, part: Sequence[Fused], wanted: int, passed: _Passed) -> bool:
        """Add a hit for each candidate of the part that passes, but one a document where grouped.

        Whether the catalog no longer has one that came before there were `wanted`.
        """
        overtaken = False
        hits, documents = passed.hits, passed.documents
        by_document, filter = self._request.group_by == "document", self._request.filter
        labels = [fused.label for fused in part]
        visible = self._catalog.documents.visible(self._collection, labels, self._principal)
        for fused in part:
            chunk = visible.get(fused.label)
            if chunk is None:
                overtaken |= len(hits) < wanted
                continue
            if not _passes(filter, chunk):
                continue
            if by_document and chunk.document in documents:
                continue
            documents.add(chunk.document)
            hits.append(_hit(self._collection, chunk, fused))
        return overtaken


def _growing_parts(candidates: Sequence[Fused], wanted: int) -> Iterator[Sequence[Fused]]:
    """The candidates in parts: mostly the first is enough, and a caller with few rights needs all."""
    start, size = 0, 2 * wanted + 2
    while start < len(candidates):
        yield candidates[start : start + size]
        start, size = start + size, 2 * size


def _passes(filter: Filter | None, chunk: StoredChunk) -> bool:
    return filter is None or matches(filter, _filter_fields(chunk))


def _filter_fields(chunk: StoredChunk) -> dict[str, Any]:
    """As `catalog.documents.filter_fields`, of the document that the chunk is of."""
    return chunk.metadata | own_fields(chunk.source, chunk.table, chunk.language, chunk.key)


def _hit(collection: Collection, chunk: StoredChunk, fused: Fused) -> Hit:
    return Hit(
        document_id(collection.name, chunk.key),
        chunk_id(collection.name, chunk.key, chunk.ordinal),
        fused.score,
        chunk,
        (),
        fused,
    )
