"""Search, top to bottom: encode, ask both legs, fuse, rerank, check against the catalog, hits.

The legs return chunk numbers only. What a caller reads comes from the catalog at the end, where a chunk that changed,
was deleted, or may not be read by this caller is dropped; a candidate further down takes its place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import numpy as np
from pyroaring import BitMap64

from retrieval.adapter import QueryAdapter
from retrieval.analyzer import Analyzer
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.documents import StoredChunk, chunk_id, document_id, own_fields
from retrieval.contracts import Allowed, Encoder, Reranker, Scope
from retrieval.deeper import deepened, with_cuts
from retrieval.diffusion import diffuse, needs_graph
from retrieval.errors import InvalidInputError
from retrieval.filters import Filter, matches
from retrieval.fusion import Candidates, Fused, FusionSignals, fuse
from retrieval.graph.links import Question
from retrieval.graph.state import GraphState, no_graph
from retrieval.highlights import Fragment, highlights, marked_tokens
from retrieval.learned import no_parts
from retrieval.legs import Legs
from retrieval.plan import FusionMethod, Plan
from retrieval.plan_parts import named_parts
from retrieval.precedents import Precedent, Precedents, lift
from retrieval.ranker import Lookup, Ranker, order
from retrieval.speller import Speller
from retrieval.spelling import Correction, corrected
from retrieval.stage_clock import StageClock
from retrieval.types import Principal, Ranking, Vector, Vectors, passage_text
from retrieval.views import Views

logger = logging.getLogger(__name__)

Part = TypeVar("Part")

MAX_QUERY_LENGTH = 20_000  # characters; longer is a document, not a question
MAX_TOP_K = 1_000
CHUNKS_PER_DOCUMENT = 3  # candidates asked for each document wanted, so that grouping leaves enough of them


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to search for. Grouped by document, a document counts once, with its best chunk."""

    query: str
    top_k: int | None = None  # None: the plan's
    filter: Filter | None = None
    group_by: Literal["document", "chunk"] = "document"
    highlight: bool = True
    correct: bool = True  # mistyped words, see spelling.py

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise InvalidInputError("query is empty; expected at least one word")
        if len(self.query) > MAX_QUERY_LENGTH:
            raise InvalidInputError(f"query has {len(self.query)} characters; expected at most {MAX_QUERY_LENGTH}")
        if self.top_k is not None and not 1 <= self.top_k <= MAX_TOP_K:
            raise InvalidInputError(f"top_k is {self.top_k}; expected 1 to {MAX_TOP_K}")


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that matched, as the catalog has it now."""

    document_id: str
    chunk_id: str
    score: float
    chunk: StoredChunk
    highlights: tuple[Fragment, ...]
    fused: Fused
    rerank_score: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first. `seq` is the operation they include at least; `stages` are milliseconds by stage."""

    hits: tuple[Hit, ...]
    seq: int
    as_of: datetime
    plan: Plan
    took_ms: float
    coverage: float
    stages: dict[str, float] = field(default_factory=dict)
    degraded: tuple[str, ...] = ()  # legs and learned parts that it went without, or that are of an older state
    overtaken: bool = False  # passages that belong among the hits were replaced or deleted before they could be shown
    arm: str = ""  # serving or candidate, while a share of the searches is served by a plan that is rolled out
    corrections: tuple[Correction, ...] = ()  # of words that were mistyped: what was searched for instead


class Retriever:
    """Searches one collection."""

    def __init__(
        self,
        catalog: Catalog,
        encoder: Encoder,
        analyzer: Analyzer,
        views: Views,
        open_reranker: Callable[[str], Reranker],
        open_adapter: Callable[[str], QueryAdapter] = no_parts,
        open_graph: Callable[[], GraphState | None] = no_graph,
        open_precedents: Callable[[str], Precedents] = no_parts,
        open_ranker: Callable[[str], Ranker] = no_parts,
    ) -> None:
        self._catalog = catalog
        self._encoder = encoder
        self._analyzer = analyzer
        self._views = views
        self._open_reranker = open_reranker
        self._open_adapter = open_adapter
        self._open_graph = open_graph
        self._open_precedents = open_precedents
        self._open_ranker = open_ranker
        self._speller = Speller(catalog, encoder, analyzer, views)
        self._unreadable: dict[tuple[str, str], str] = {}  # kind and name of a learned part -> why

    def search(self, collection: Collection, plan: Plan, request: SearchRequest, principal: Principal) -> SearchResult:
        """The best chunks that exist now and that the caller may read."""
        clock = StageClock()
        seq, as_of = self._views.seq, datetime.now(UTC)
        wanted = request.top_k or plan.top
        allowed = self._views.attributes.allowed(principal, request.filter)
        clock.lap("filter")
        corrections = self._corrections(collection, request, principal, allowed)
        if corrections:
            request = replace(request, query=corrected(request.query, corrections))
        clock.lap("spelling")
        needed = wanted * CHUNKS_PER_DOCUMENT if request.group_by == "document" else wanted
        scope = Scope(principal, request.filter)
        legs = Legs(self._views, plan)
        depths = {"sparse": max(plan.sparse_depth, needed), "dense": max(plan.dense_depth, needed)}
        sparse = legs.ask("sparse", lambda: self._views.sparse.search(request.query, depths["sparse"], allowed, scope))
        clock.lap("sparse")
        signals = FusionSignals(coverage=self._encoder.coverage(request.query), sparse_asked=depths["sparse"])
        encoded, vector = self._vectors(plan, request.query, clock)
        dense = legs.ask("dense", lambda: self._views.dense.search(vector, depths["dense"], allowed, scope))
        clock.lap("dense")
        legs.require_one()
        if request.group_by == "document":
            attributes, queries = self._views.attributes, {"sparse": request.query, "dense": vector}

            def ask(leg: str, size: int, without: BitMap64) -> Ranking:
                view = self._views.sparse if leg == "sparse" else self._views.dense
                left = (attributes.labels() if allowed is None else allowed) - without
                if not left:
                    return Ranking.empty()
                return legs.ask(leg, lambda: view.search(queries[leg], size, left, replace(scope, without=without)))

            first = {"sparse": sparse, "dense": dense}
            told = deepened(first, depths, wanted, attributes.document_of, attributes.labels_of, ask)
            if told is not first:
                sparse, dense = told["sparse"], told["dense"]
                signals = with_cuts(signals, first, told)
                clock.lap("deeper")
        vectors_of = legs.lookup(self._views.dense.vectors)
        candidates = fuse(plan, sparse, dense, signals, vectors_of=vectors_of)
        clock.lap("fuse")
        near = None if plan.precedents is None else self._near(plan.precedents.name, encoded)
        if plan.precedents is not None and near is not None:
            chunks_of = self._views.attributes.labels_of_key
            candidates = lift(plan.precedents, candidates, near, chunks_of, vector, vectors_of, allowed)
            clock.lap("precedents")
        graph = self._open_graph() if needs_graph(plan.diffusion) else None
        if plan.diffusion is not None:
            question = Question(request.query, vector)
            candidates = diffuse(plan.diffusion, candidates, graph, question, vectors_of, allowed)
            clock.lap("graph")
        if plan.ranker is not None and vectors_of is not None:
            ranker = self._part("ranker", self._open_ranker, plan.ranker)
            lookup = Lookup(vectors_of, self._views.attributes.document_of, self._views.attributes.labels_of)
            candidates = candidates if ranker is None else order(ranker, candidates, vector, lookup)
            clock.lap("ranker")
        hits, overtaken = self._checked(collection, candidates, request, principal, _pool(plan, wanted))
        clock.lap("check")
        if plan.rerank is not None:
            hits = self._rerank(plan, request.query, hits)
            clock.lap("rerank")
        hits = self._finish(hits, request, wanted)
        clock.lap("highlight")
        total, degraded = clock.total(), legs.degraded()
        troubles = self._views.health.troubles()
        if allowed is not None and "attributes" in troubles:
            degraded = (*degraded, "attributes")
        if needs_graph(plan.diffusion) and (graph is None or "graph" in troubles):
            degraded = (*degraded, "graph")
        degraded = (*degraded, *self.unreadable(plan))
        return SearchResult(
            tuple(hits), seq, as_of, plan, total, signals.coverage, clock.stages, degraded, overtaken, "", corrections
        )

    def _corrections(
        self, collection: Collection, request: SearchRequest, principal: Principal, allowed: Allowed
    ) -> tuple[Correction, ...]:
        """Of the request's mistyped words. A word is known where the caller may read it, whatever passes the filter."""
        if not request.correct:
            return ()
        rights = allowed if request.filter is None else self._views.attributes.allowed(principal, None)
        return self._speller.corrections(collection, request.query, principal, rights)

    def _vectors(self, plan: Plan, query: str, clock: StageClock) -> tuple[Vector, Vector]:
        """(dim,) the query's as the encoder gives it, and as the dense leg is asked; of no length where nobody asks."""
        if plan.fusion is FusionMethod.SPARSE and plan.precedents is None:
            return np.empty(0, np.float32), np.empty(0, np.float32)
        encoded = vectors = self._encoder.encode_queries([query])
        if plan.adapter is not None and plan.fusion is not FusionMethod.SPARSE:
            vectors = self.adapted(plan.adapter, vectors)
        clock.lap("encode")
        return encoded[0], np.empty(0, np.float32) if plan.fusion is FusionMethod.SPARSE else vectors[0]

    def adapted(self, name: str, vectors: Vectors) -> Vectors:
        """(questions, dim) the queries' as the adapter turns them; as they are where it cannot be read."""
        adapter = self._part("adapter", self._open_adapter, name)
        return vectors if adapter is None else adapter.apply(vectors)

    def _near(self, name: str, vector: Vector) -> tuple[Precedent, ...] | None:
        """What answered questions near this one; None where that cannot be read: a search goes without it."""
        precedents = self._part("precedents", self._open_precedents, name)
        return None if precedents is None else precedents.near(vector)

    def _part(self, kind: str, open_part: Callable[[str], Part], name: str) -> Part | None:
        """A learned part; None where it cannot be read, which the log says once: searches go on without it."""
        try:
            part = open_part(name)
        except InvalidInputError as error:
            if (kind, name) not in self._unreadable:
                self._unreadable[kind, name] = str(error)
                logger.error("searches go on without %s: %s", kind, error)
            return None
        self._unreadable.pop((kind, name), None)
        return part

    def unreadable(self, plan: Plan) -> dict[str, str]:
        """Kinds of the plan's learned parts that searches went without of late, with the reason."""
        named = named_parts(plan)
        unused = ("adapter", "ranker") if plan.fusion is FusionMethod.SPARSE else ()  # they need the query's vector
        known = ((kind, self._unreadable.get((kind, name))) for kind, name in named.items() if kind not in unused)
        return {kind: why for kind, why in known if why is not None}

    def prepare(self, plan: Plan) -> None:
        """Have ready what the plan's first search would wait for; what cannot be read is said when it is asked for."""
        if plan.adapter is not None and plan.fusion is not FusionMethod.SPARSE:
            self._part("adapter", self._open_adapter, plan.adapter)
        if plan.ranker is not None and plan.fusion is not FusionMethod.SPARSE:
            self._part("ranker", self._open_ranker, plan.ranker)
        if plan.precedents is not None:
            self._near(plan.precedents.name, np.zeros(self._encoder.dim, np.float32))
            self._views.attributes.labels_of_key("")

    def _checked(
        self,
        collection: Collection,
        candidates: Candidates,
        request: SearchRequest,
        principal: Principal,
        wanted: int,
    ) -> tuple[list[Hit], bool]:
        """The first `wanted` candidates that pass the catalog, grouped as asked; reads only as many as it needs.

        With it, whether the catalog no longer has one that stood before the last of them.
        """
        expected = self._expected(candidates, request, wanted)
        hits: list[Hit] = []
        seen: set[int] = set()
        if expected:
            self._collect(collection, expected, request, principal, wanted, hits, seen)
            if len(hits) == len(expected):
                return hits, False
            hits.clear()
            seen.clear()
        overtaken = False
        for part in _growing_parts(candidates, wanted):
            overtaken |= self._collect(collection, part, request, principal, wanted, hits, seen)
            if len(hits) >= wanted:
                break
        return hits[:wanted], overtaken

    def _expected(self, candidates: Candidates, request: SearchRequest, wanted: int) -> list[Fused]:
        """The candidates that become the hits if each of them passes the catalog; none where that cannot be told."""
        if request.group_by == "chunk":
            return candidates[:wanted]
        document_of = self._views.attributes.document_of
        seen: set[int] = set()
        chosen: list[int] = []
        for place, label in enumerate(candidates.labels(2 * CHUNKS_PER_DOCUMENT * wanted)):
            document = document_of(label)
            if document is None:
                return []
            if document not in seen:
                seen.add(document)
                chosen.append(place)
                if len(chosen) == wanted:
                    break
        else:
            if len(candidates) > 2 * CHUNKS_PER_DOCUMENT * wanted:
                return []
        return candidates.at(chosen)

    def _collect(
        self,
        collection: Collection,
        part: Sequence[Fused],
        request: SearchRequest,
        principal: Principal,
        wanted: int,
        hits: list[Hit],
        seen: set[int],
    ) -> bool:
        """Add a hit for each candidate of the part that passes the catalog, but one a document where grouped.

        Whether the catalog no longer has one that came before there were `wanted`.
        """
        overtaken = False
        visible = self._catalog.documents.visible(collection, [fused.label for fused in part], principal)
        for fused in part:
            chunk = visible.get(fused.label)
            if chunk is None:
                overtaken |= len(hits) < wanted
                continue
            if not _passes(request.filter, chunk):
                continue
            if request.group_by == "document" and chunk.document in seen:
                continue
            seen.add(chunk.document)
            hits.append(_hit(collection, chunk, fused))
        return overtaken

    def _rerank(self, plan: Plan, query: str, hits: list[Hit]) -> list[Hit]:
        assert plan.rerank is not None
        first, rest = hits[: plan.rerank.depth], hits[plan.rerank.depth :]
        passages = [passage_text(hit.chunk.title, hit.chunk.heading, hit.chunk.text) for hit in first]
        scores = self._open_reranker(plan.rerank.name).rerank(query, passages)
        ranked = sorted(zip(scores, first, strict=True), key=lambda pair: (-pair[0], pair[1].fused.label))
        told = [replace(hit, rerank_score=float(score), score=float(score)) for score, hit in ranked]
        above = rest[0].score - told[-1].score if rest and told else 0.0
        # whoever sorts by score must get this order: what the reranker did not see begins at its last one's score
        return told + [replace(hit, score=hit.score - above) if above > 0 else hit for hit in rest]

    def _finish(self, hits: list[Hit], request: SearchRequest, wanted: int) -> list[Hit]:
        """The first `wanted`, with highlights where they are asked for."""
        hits = hits[:wanted]
        if not request.highlight:
            return hits
        marked = marked_tokens(self._analyzer, request.query)
        return [_highlighted(hit, highlights(self._analyzer, marked, hit.chunk.text)) for hit in hits]


def _pool(plan: Plan, wanted: int) -> int:
    """How many hits must pass the catalog: those that are wanted, or as many as a reranker looks at."""
    return wanted if plan.rerank is None else max(wanted, plan.rerank.depth)


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


def _highlighted(hit: Hit, found: tuple[Fragment, ...]) -> Hit:
    """As `dataclasses.replace`, which takes four times as long."""
    return Hit(hit.document_id, hit.chunk_id, hit.score, hit.chunk, found, hit.fused, hit.rerank_score)
