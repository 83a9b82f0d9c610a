"""The dense view on Elasticsearch: nearest vectors by its graph, restricted inside the query."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import Lock

import numpy as np
from pyroaring import BitMap64

from retrieval.contracts import Allowed, Scope
from retrieval.elastic.client import ElasticServer
from retrieval.elastic.index import ElasticIndex, Hit, delete_line, index_line, update_line
from retrieval.elastic.layout import vectors_name
from retrieval.elastic.ranking import best, restriction
from retrieval.elastic.terms import Query, attribute_fields
from retrieval.elastic.view import ElasticView
from retrieval.types import IndexedChunk, Labels, Ranking, Vector, Vectors, ViewBatch
from retrieval.views.digests import DIGEST_FIELD, digest_of
from retrieval.views.vectors import checked_vector

MAX_CANDIDATES = 10_000  # of a kNN search, the server's limit
MIN_CANDIDATES = 100  # looked at in the graph, as ef of the embedded view
CANDIDATES_PER_HIT = 1.5
SCORE_DECIMALS = 6  # as the embedded view
FETCHED_BYTES = 64 * 2**20  # of vectors kept for feedback and rankers, 43,000 of 384 dimensions


class ElasticDenseView(ElasticView):
    """An `IndexView` over unit vectors, shared by all processes. The query is a (dim,) vector; the score is the cosine.

    `quantised` searches int8 vectors, a quarter of the memory; `made_by` is the encoder's fingerprint; of the vectors
    that were asked for `fetched_bytes` are kept.
    """

    def __init__(
        self,
        server: ElasticServer,
        collection: str,
        dim: int,
        made_by: str,
        *,
        quantised: bool = False,
        fetched_bytes: int = FETCHED_BYTES,
    ) -> None:
        self._dim = dim
        self._fetched: OrderedDict[int, Vector] = OrderedDict()
        self._most_fetched = fetched_bytes // (np.dtype(np.float32).itemsize * dim)
        self._remembering = Lock()
        name = vectors_name(collection, made_by, quantised=quantised)
        super().__init__(ElasticIndex(server, name, dim, quantised=quantised))

    def search(self, query: Vector, k: int, allowed: Allowed = None, scope: Scope | None = None) -> Ranking:
        """The best k allowed chunks by cosine. Raises `InvalidInputError` when the query has another dimension."""
        vector = checked_vector(query, self._dim).tolist()
        within = restriction(allowed, scope)
        if k <= 0 or within is None:
            return Ranking.empty()
        return best(lambda size: self._nearest(vector, size, within), k, SCORE_DECIMALS)

    def vectors(self, labels: Labels, *, anew: bool = False) -> Vectors:
        """(n, dim) the vectors of these chunks, zeros where one is not held; one removed since may still be known.

        `anew` asks the server for all of them.
        """
        known, unknown = self._fetched, dict[int, list[int]]()  # label -> its places
        rows = np.zeros((len(labels), self._dim), np.float32)
        for place, label in enumerate(labels.tolist()):
            if anew or (vector := known.get(label)) is None:
                unknown.setdefault(label, []).append(place)
            else:
                rows[place] = vector
        if unknown:
            found = {label: np.array(row, np.float32) for label, row in self.index.vectors(list(unknown)).items()}
            for label, vector in found.items():
                rows[unknown[label]] = vector
            self._remember(known, found)
        return rows

    def embedded(self) -> BitMap64:
        """None: what is written replaces the whole chunk, with its vector."""
        return BitMap64()

    def _goes_back(self) -> None:
        self._fetched = OrderedDict()  # searches under way add to the old one

    def _remember(self, known: OrderedDict[int, Vector], found: dict[int, Vector]) -> None:
        """Keep for the next searches what was fetched, in place of the oldest: a label's vector never changes."""
        with self._remembering:
            known.update(found)
            while len(known) > self._most_fetched:
                known.popitem(last=False)

    def _nearest(self, vector: Sequence[float], size: int, within: list[Query]) -> list[Hit]:
        size = min(size, MAX_CANDIDATES)
        candidates = min(MAX_CANDIDATES, max(MIN_CANDIDATES, int(size * CANDIDATES_PER_HIT)))
        query: Query = {
            "knn": {
                "field": "vector",
                "query_vector": vector,
                "k": size,
                "num_candidates": candidates,
                "filter": within,
            }
        }
        return [
            [2 * hit[0] - 1, hit[1]] for hit in self.index.search(query, size)
        ]  # the server's score: (1 + cosine) / 2

    def _digest(self, chunk: IndexedChunk) -> int:
        return digest_of((), attribute_fields(chunk.groups, chunk.metadata))  # vectors are compared as they are

    def _lines(self, batch: ViewBatch) -> Iterator[bytes]:
        for label in batch.removed:
            yield from delete_line(label, batch.version)
        for chunk in batch.added:
            attributes = {DIGEST_FIELD: self._digest(chunk), **attribute_fields(chunk.groups, chunk.metadata)}
            if chunk.vector is None:
                yield from update_line(chunk.label, attributes)
            elif np.any(vector := checked_vector(chunk.vector, self._dim)):  # the server refuses a zero vector
                yield from index_line(chunk.label, batch.version, {"vector": vector, **attributes})
