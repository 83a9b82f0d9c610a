"""The sparse view on Elasticsearch with what its index does not have yet before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.contracts import Allowed, Scope
from retrieval.elastic.recent_words import RecentWords
from retrieval.elastic.sparse import SCORE_DECIMALS, ElasticSparseView
from retrieval.sparse.overlay import merged
from retrieval.types import IndexedChunk, Ranking, ViewBatch


class FreshSparseView:
    """A `WordView` in two parts: `server`, which one process applies to at its leisure, and `recent`, which each does.

    Searches see an operation as soon as one of the two has it.
    """

    def __init__(self, server: ElasticSparseView, analyzer: Analyzer) -> None:
        self.server = server
        self.recent = RecentWords(analyzer, lambda: server.seq)

    @property
    def seq(self) -> int:
        """The operation that searches see at least."""
        return self.recent.reached

    def __len__(self) -> int:
        touched, kept = self.recent.changes()
        return self.server.count(but=touched) + len(kept)

    def labels(self) -> BitMap64:
        """All labels held."""
        touched, kept = self.recent.changes()  # first: what the server gets meanwhile is then in both
        return (self.server.labels() - touched) | kept

    def differing(self, chunks: Sequence[IndexedChunk]) -> BitMap64:
        """Labels of those of the chunks that are held otherwise; the server may be about to get them anew."""
        touched, _ = self.recent.changes()
        older = self.server.differing([chunk for chunk in chunks if chunk.label not in touched])
        return older | self.recent.differing(chunks)

    def apply(self, batch: ViewBatch) -> None:
        """Write to the index itself what the log does not say; `recent` goes on as it was."""
        self.server.mend(batch)

    def search(self, query: str, k: int, allowed: Allowed = None, scope: Scope | None = None) -> Ranking:
        """The best k allowed chunks that share a word with the query, by BM25."""
        terms = Counter(self.server.terms_of(query))
        if k <= 0 or not terms:
            return Ranking.empty()
        recent = self.recent.search(terms, lambda: self.server.statistics(terms))
        older = self.server.find(recent.boosts or terms, k, allowed, scope, but=recent.touched)
        newer = recent.scores
        if allowed is not None:
            newer = {label: score for label, score in newer.items() if label in allowed}
        return merged(older, newer, k, SCORE_DECIMALS)

    def document_frequency(self, token: str) -> int:
        """How many chunks hold the analyzed token; one that changed lately counts twice."""
        return self.server.document_frequency(token) + self.recent.frequency(token)

    def save(self) -> None:
        """Nothing: the log brings again what the index does not have."""

    def close(self) -> None:
        """Nothing: the connections are the server's."""

    def frequencies(self, tokens: Sequence[str]) -> dict[str, int]:
        """`document_frequency` of each."""
        older = self.server.frequencies(tokens)
        return {token: count + self.recent.frequency(token) for token, count in older.items()}
