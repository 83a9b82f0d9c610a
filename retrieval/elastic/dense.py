"""The dense view on Elasticsearch: nearest vectors by its graph, restricted inside the query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pyroaring import BitMap64

from retrieval.contracts import Allowed, Scope
from retrieval.elastic.client import ElasticServer
from retrieval.elastic.index import ElasticIndex, Hit, delete_line, index_line, update_line
from retrieval.elastic.layout import vectors_name
from retrieval.elastic.ranking import best, restriction
from retrieval.elastic.terms import Query, attribute_fields
from retrieval.elastic.view import ElasticView
from retrieval.types import Labels, Ranking, Vector, Vectors, ViewBatch
from retrieval.vectors import checked_vector

MAX_CANDIDATES = 10_000  # of a kNN search, the server's limit
MIN_CANDIDATES = 100  # looked at in the graph, as ef of the embedded view
CANDIDATES_PER_HIT = 1.5
SCORE_DECIMALS = 6  # as the embedded view
MAX_FETCHED = 10_000  # vectors kept for feedback, 15 MB of 384 dimensions; a request for 200 takes 5 to 50 ms


class ElasticDenseView(ElasticView):
    """An `IndexView` over unit vectors, shared by all processes. The query is a (dim,) vector; the score is the cosine.

    `quantised` searches int8 vectors, a quarter of the memory; `made_by` is the encoder's fingerprint.
    """

    def __init__(
        self, server: ElasticServer, collection: str, dim: int, made_by: str, *, quantised: bool = False
    ) -> None:
        self._dim = dim
        self._fetched: dict[int, Vector] = {}
        name = vectors_name(collection, made_by, quantised=quantised)
        super().__init__(ElasticIndex(server, name, dim, quantised=quantised))

    def search(self, query: Vector, k: int, allowed: Allowed = None, scope: Scope | None = None) -> Ranking:
        """The best k allowed chunks by cosine. Raises `InvalidInputError` when the query has another dimension."""
        vector = checked_vector(query, self._dim).tolist()
        within = restriction(allowed, scope)
        if k <= 0 or within is None:
            return Ranking.empty()
        return best(lambda size: self._nearest(vector, size, within), k, SCORE_DECIMALS)

    def vectors(self, labels: Labels) -> Vectors:
        """(n, dim) the vectors of these chunks, zeros where one is not held; one removed since may still be known."""
        wanted = labels.tolist()
        known = self._fetched
        unknown = [label for label in wanted if label not in known]
        if unknown:
            found = {label: np.array(row, np.float32) for label, row in self.index.vectors(unknown).items()}
            known = self._remember(found) | {label: known[label] for label in wanted if label in known}
        rows = np.zeros((len(wanted), self._dim), np.float32)
        for place, label in enumerate(wanted):
            if label in known:
                rows[place] = known[label]
        return rows

    def embedded(self) -> BitMap64:
        """None: what is written replaces the whole chunk, with its vector."""
        return BitMap64()

    def _goes_back(self) -> None:
        self._fetched = {}

    def _remember(self, found: dict[int, Vector]) -> dict[int, Vector]:
        """What was fetched; kept for the next search, as long as there is room: a label's vector never changes."""
        if len(self._fetched) + len(found) > MAX_FETCHED:
            self._fetched = {}  # searches under way keep the old one
        self._fetched.update(found)
        return found

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

    def _lines(self, batch: ViewBatch) -> Iterator[bytes]:
        for label in batch.removed:
            yield from delete_line(label, batch.version)
        for chunk in batch.added:
            attributes = attribute_fields(chunk.groups, chunk.metadata)
            if chunk.vector is None:
                yield from update_line(chunk.label, attributes)
            elif np.any(vector := checked_vector(chunk.vector, self._dim)):  # the server refuses a zero vector
                yield from index_line(chunk.label, batch.version, {"vector": vector, **attributes})
