"""The sparse view on Elasticsearch: BM25 over the shared analyzer's tokens, restricted inside the query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.contracts import Allowed, Scope
from retrieval.elastic.client import ElasticServer
from retrieval.elastic.index import ElasticIndex, delete_line, index_line
from retrieval.elastic.layout import words_name
from retrieval.elastic.ranking import best, restriction
from retrieval.elastic.terms import Query, attribute_fields, label_queries
from retrieval.elastic.view import ElasticView
from retrieval.sparse.overlay import Statistics
from retrieval.types import IndexedChunk, Ranking, ViewBatch
from retrieval.views.digests import DIGEST_FIELD, digest_of

MAX_QUERY_TOKENS = 1_024  # different ones; more is a document, and servers refuse a few thousand clauses
MAX_TERMS = 10_000  # of which the index's statistics are remembered
SCORE_DECIMALS = 4  # as the embedded view: BM25 sums differ in the last bits, rounded, equal passages tie


class ElasticSparseView(ElasticView):
    """An `IndexView` over words, shared by all processes that name the same collection. The query is text.

    `made_by` says besides the analyzer what the chunks were made by: another one has another index.
    """

    def __init__(self, server: ElasticServer, collection: str, analyzer: Analyzer, made_by: str = "") -> None:
        self._analyzer = analyzer
        self._statistics = (-1, Statistics(0, 0.0, {}))  # of which operation's state
        super().__init__(ElasticIndex(server, words_name(collection, made_by, analyzer.fingerprint)))

    def search(self, query: str, k: int, allowed: Allowed = None, scope: Scope | None = None) -> Ranking:
        """The best k allowed chunks that share a word with the query, by BM25."""
        return self.find(self.terms_of(query), k, allowed, scope)

    def terms_of(self, query: str) -> Counter[str]:
        """The query's tokens with how often they occur, the first `MAX_QUERY_TOKENS` different ones."""
        return Counter(dict(islice(Counter(self._analyzer.query_tokens(query)).items(), MAX_QUERY_TOKENS)))

    def find(
        self,
        weights: Mapping[str, float],
        k: int,
        allowed: Allowed = None,
        scope: Scope | None = None,
        but: BitMap64 | None = None,
    ) -> Ranking:
        """The best k allowed chunks by BM25, each term's share multiplied by its weight, without the labels `but`."""
        within = restriction(allowed, scope)
        if k <= 0 or not weights or within is None:
            return Ranking.empty()
        words: Query = {"minimum_should_match": 1, "filter": within}
        words["should"] = [_clause(term, weight) for term, weight in weights.items()]
        if but:
            words["must_not"] = label_queries(list(but))
        query: Query = {"bool": words}
        return best(
            lambda size: self.index.search(query, size),
            k,
            SCORE_DECIMALS,
            lambda least, size: self.index.search_from(query, least, size),
        )

    def statistics(self, terms: Iterable[str]) -> Statistics:
        """What BM25 asks of the index for these terms; a term is asked for once in each state of the index."""
        wanted = set(terms)
        seq, known = self._statistics
        if not seq or seq != self.seq or len(known.frequencies) > MAX_TERMS:  # 0: it is being built
            seq, known = self.seq, Statistics(0, 0.0, {})
        if missing := wanted - known.frequencies.keys():
            read = self.index.statistics(sorted(missing))
            known = replace(read, frequencies={**known.frequencies, **read.frequencies})
            self._statistics = (seq, known)
        return known

    def document_frequency(self, token: str) -> int:
        """How many chunks hold the analyzed token."""
        return self.index.count({"term": {"body": token}})

    def frequencies(self, tokens: Sequence[str]) -> dict[str, int]:
        """`document_frequency` of each, by one request; chunks removed and not merged away yet still count."""
        return dict(self.index.statistics(tokens).frequencies) if tokens else {}

    def _lines(self, batch: ViewBatch) -> Iterator[bytes]:
        for label in batch.removed:
            yield from delete_line(label, batch.version)
        for chunk in batch.added:
            yield from index_line(chunk.label, batch.version, self._document(chunk))

    def _document(self, chunk: IndexedChunk) -> dict[str, object]:
        tokens, attributes = self._kept(chunk)
        return {"body": " ".join(tokens), DIGEST_FIELD: digest_of(tokens, attributes), **attributes}

    def _digest(self, chunk: IndexedChunk) -> int:
        return digest_of(*self._kept(chunk))

    def _kept(self, chunk: IndexedChunk) -> tuple[list[str], dict[str, list[str]]]:
        return self._analyzer.tokens(chunk.words), attribute_fields(chunk.groups, chunk.metadata)


def _clause(term: str, weight: float) -> Query:
    return {"term": {"body": term if weight == 1 else {"value": term, "boost": weight}}}
