"""The sparse view on Elasticsearch: BM25 over the shared analyzer's tokens, restricted inside the query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from retrieval.analyzer import Analyzer
from retrieval.contracts import Allowed, Scope
from retrieval.elastic.client import ElasticServer
from retrieval.elastic.index import ElasticIndex, delete_line, index_line
from retrieval.elastic.layout import IndexName
from retrieval.elastic.ranking import best, restriction
from retrieval.elastic.terms import Query, attribute_fields
from retrieval.elastic.view import ElasticView
from retrieval.types import IndexedChunk, Ranking, ViewBatch

MAX_QUERY_TOKENS = 1_024  # different ones; more is a document, and servers refuse a few thousand clauses
SCORE_DECIMALS = 4  # as the embedded view: BM25 sums differ in the last bits, rounded, equal passages tie


class ElasticSparseView(ElasticView):
    """An `IndexView` over words, shared by all processes that name the same collection. The query is text.

    `made_by` says besides the analyzer what the chunks were made by: another one has another index.
    """

    def __init__(self, server: ElasticServer, collection: str, analyzer: Analyzer, made_by: str = "") -> None:
        self._analyzer = analyzer
        super().__init__(ElasticIndex(server, IndexName(collection, "sparse", f"{made_by} {analyzer.fingerprint}")))

    def search(self, query: str, k: int, allowed: Allowed = None, scope: Scope | None = None) -> Ranking:
        """The best k allowed chunks that share a word with the query, by BM25."""
        terms = Counter(self._analyzer.query_tokens(query))
        within = restriction(allowed, scope)
        if k <= 0 or not terms or within is None:
            return Ranking.empty()
        clauses = [_clause(term, count) for term, count in list(terms.items())[:MAX_QUERY_TOKENS]]
        words: Query = {"bool": {"should": clauses, "minimum_should_match": 1, "filter": within}}
        return best(lambda size: self.index.search(words, size), k, SCORE_DECIMALS)

    def document_frequency(self, token: str) -> int:
        """How many chunks hold the analyzed token."""
        return self.index.count({"term": {"body": token}})

    def _lines(self, batch: ViewBatch) -> Iterator[bytes]:
        for label in batch.removed:
            yield from delete_line(label, batch.version)
        for chunk in batch.added:
            yield from index_line(chunk.label, batch.version, self._document(chunk))

    def _document(self, chunk: IndexedChunk) -> dict[str, object]:
        tokens = self._analyzer.tokens("\n".join((chunk.title, chunk.heading, chunk.text)))
        return {"body": " ".join(tokens), **attribute_fields(chunk.groups, chunk.metadata)}


def _clause(term: str, count: int) -> Query:
    return {"term": {"body": term if count == 1 else {"value": term, "boost": count}}}
