"""Search, top to bottom: correct, ask both legs, fuse, order anew, check against the catalog, rerank, highlight.

The legs return chunk numbers only. What a caller reads comes from the catalog at the end, where a chunk that changed,
was deleted, or may not be read by this caller is dropped; a candidate further down takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog import Catalog, Collection
from retrieval.contracts import Allowed, Encoder, Reranker, Scope
from retrieval.graph.links import Question
from retrieval.graph.state import GraphState, no_graph
from retrieval.learned.adapter import QueryAdapter
from retrieval.learned.files import no_parts
from retrieval.learned.parts import LearnedParts
from retrieval.learned.precedents import Precedents, lift
from retrieval.learned.ranker import Lookup, Ranker, order
from retrieval.plan import FusionMethod, Plan
from retrieval.ranking.diffusion import diffuse, needs_graph
from retrieval.ranking.fusion import Candidates, FusionSignals, VectorLookup, fuse
from retrieval.search.catalog_check import CatalogCheck
from retrieval.search.deeper import deepened, with_cuts
from retrieval.search.highlights import Fragment, highlights, marked_tokens
from retrieval.search.hit_evidence import Asked, evidence_of
from retrieval.search.legs import Legs, legs_of
from retrieval.search.relevance import Evidence
from retrieval.search.speller import Speller
from retrieval.search.spelling import Correction, corrected
from retrieval.search.stage_clock import StageClock
from retrieval.search.types import CHUNKS_PER_DOCUMENT, Hit, SearchRequest, SearchResult
from retrieval.types import Principal, Ranking, Vector, Vectors, passage_text
from retrieval.views.contract import Views

_NO_VECTOR: Vector = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class _Search:
    """What its stages know of a search."""

    collection: Collection
    plan: Plan
    request: SearchRequest  # with the corrected query
    principal: Principal
    allowed: Allowed
    wanted: int  # hits
    legs: Legs
    clock: StageClock

    @property
    def by_document(self) -> bool:
        """Whether a document counts once."""
        return self.request.group_by == "document"


@dataclass(frozen=True, slots=True)
class _Found:
    """What the legs found, and what they were asked with."""

    sparse: Ranking
    dense: Ranking
    signals: FusionSignals
    encoded: Vector  # (dim,) the query's, as the encoder gives it
    vector: Vector  # (dim,) as the dense leg is asked
    vectors_of: VectorLookup | None  # None where the dense leg is of no use now


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
        self._open_graph = open_graph
        self._parts = LearnedParts(open_adapter, open_precedents, open_ranker)
        self._speller = Speller(catalog, encoder, analyzer, views)

    def search(self, collection: Collection, plan: Plan, request: SearchRequest, principal: Principal) -> SearchResult:
        """The best chunks that exist now and that the caller may read."""
        clock = StageClock()
        seq, as_of = self._views.seq, datetime.now(UTC)
        allowed = self._allow(request, principal, clock)
        request, corrections = self._correct(collection, request, principal, allowed, clock)
        wanted, legs = request.top_k or plan.top, Legs(self._views, plan)
        search = _Search(collection, plan, request, principal, allowed, wanted, legs, clock)

        found = self._retrieve(search)
        candidates = self._fuse(search, found)
        candidates = self._lift_precedents(search, found, candidates)
        graph = self._open_graph() if needs_graph(plan.diffusion) else None
        candidates = self._diffuse(search, found, candidates, graph)
        candidates = self._rank(search, found, candidates)
        hits, overtaken = self._check(search, candidates)
        hits = self._rerank(search, hits)
        hits = self._highlight(search, hits[:wanted])
        evidence = self._weigh(search, found, hits) if request.relevance else None

        return SearchResult(
            hits=tuple(hits),
            seq=seq,
            as_of=as_of,
            plan=plan,
            took_ms=clock.total(),
            coverage=found.signals.coverage,
            stages=clock.stages,
            degraded=self._degraded(search, graph),
            overtaken=overtaken,
            corrections=corrections,
            evidence=evidence,
        )

    def _allow(self, request: SearchRequest, principal: Principal, clock: StageClock) -> Allowed:
        """The chunks that the caller may read and that pass the filter, before any leg searches."""
        allowed = self._views.attributes.allowed(principal, request.filter)
        clock.lap("filter")
        return allowed

    def _correct(
        self, collection: Collection, request: SearchRequest, principal: Principal, allowed: Allowed, clock: StageClock
    ) -> tuple[SearchRequest, tuple[Correction, ...]]:
        """The request without its mistyped words. A word is known where the caller may read it, filter or not."""
        corrections: tuple[Correction, ...] = ()
        if request.correct:
            rights = allowed if request.filter is None else self._views.attributes.allowed(principal, None)
            corrections = self._speller.corrections(collection, request.query, principal, rights)
        if corrections:
            request = replace(request, query=corrected(request.query, corrections))
        clock.lap("spelling")
        return request, corrections

    def _retrieve(self, search: _Search) -> _Found:
        """What each leg finds to its depth, and deeper where that is of too few documents."""
        plan, query, legs, clock = search.plan, search.request.query, search.legs, search.clock
        allowed, scope = search.allowed, Scope(search.principal, search.request.filter)
        needed = search.wanted * CHUNKS_PER_DOCUMENT if search.by_document else search.wanted
        depths = {"sparse": max(plan.sparse_depth, needed), "dense": max(plan.dense_depth, needed)}
        sparse = legs.ask("sparse", lambda: self._views.sparse.search(query, depths["sparse"], allowed, scope))
        clock.lap("sparse")
        signals = FusionSignals(coverage=self._encoder.coverage(query), sparse_asked=depths["sparse"])
        encoded, vector = self._encode(search)
        dense = legs.ask("dense", lambda: self._views.dense.search(vector, depths["dense"], allowed, scope))
        clock.lap("dense")
        legs.require_one()
        if search.by_document:
            first = {"sparse": sparse, "dense": dense}
            told = self._deepen(search, scope, first, depths, vector)
            if told is not first:
                sparse, dense = told["sparse"], told["dense"]
                signals = with_cuts(signals, first, told)
                clock.lap("deeper")
        return _Found(sparse, dense, signals, encoded, vector, legs.lookup(self._views.dense.vectors))

    def _encode(self, search: _Search) -> tuple[Vector, Vector]:
        """(dim,) the query's as the encoder gives it, and as the dense leg is asked; of no length where nobody asks."""
        plan = search.plan
        if plan.fusion is FusionMethod.SPARSE and plan.precedents is None:
            return _NO_VECTOR, _NO_VECTOR
        encoded = vectors = self._encoder.encode_queries([search.request.query])
        if plan.adapter is not None and plan.fusion is not FusionMethod.SPARSE:
            vectors = self.adapted(plan.adapter, vectors)
        search.clock.lap("encode")
        return encoded[0], _NO_VECTOR if plan.fusion is FusionMethod.SPARSE else vectors[0]

    def _deepen(
        self, search: _Search, scope: Scope, first: dict[str, Ranking], depths: dict[str, int], vector: Vector
    ) -> Mapping[str, Ranking]:
        """The legs' rankings with further documents, where those are of fewer than are wanted."""
        attributes, queries = self._views.attributes, {"sparse": search.request.query, "dense": vector}
        views = {"sparse": self._views.sparse, "dense": self._views.dense}

        def ask(leg: str, size: int, without: BitMap64) -> Ranking:
            left = (attributes.labels() if search.allowed is None else search.allowed) - without
            if not left:
                return Ranking.empty()
            narrowed = replace(scope, without=without)
            return search.legs.ask(leg, lambda: views[leg].search(queries[leg], size, left, narrowed))

        return deepened(first, depths, search.wanted, attributes.document_of, attributes.labels_of, ask)

    def _fuse(self, search: _Search, found: _Found) -> Candidates:
        """One ranking out of both legs'."""
        candidates = fuse(search.plan, found.sparse, found.dense, found.signals, vectors_of=found.vectors_of)
        search.clock.lap("fuse")
        return candidates

    def _lift_precedents(self, search: _Search, found: _Found, candidates: Candidates) -> Candidates:
        """What answered earlier questions moves up, where the plan has precedents."""
        step = search.plan.precedents
        precedents = None if step is None else self._parts.precedents(step.name)
        if step is None or precedents is None:
            return candidates
        chunks_of, near = self._views.attributes.labels_of_key, precedents.near(found.encoded)
        candidates = lift(step, candidates, near, chunks_of, found.vector, found.vectors_of, search.allowed)
        search.clock.lap("precedents")
        return candidates

    def _diffuse(self, search: _Search, found: _Found, candidates: Candidates, graph: GraphState | None) -> Candidates:
        """Scores flow to what is linked or alike, where the plan says so."""
        if search.plan.diffusion is None:
            return candidates
        question = Question(search.request.query, found.vector)
        candidates = diffuse(search.plan.diffusion, candidates, graph, question, found.vectors_of, search.allowed)
        search.clock.lap("graph")
        return candidates

    def _rank(self, search: _Search, found: _Found, candidates: Candidates) -> Candidates:
        """In the order of the learned ranker, where the plan has one."""
        if search.plan.ranker is None or found.vectors_of is None:
            return candidates
        ranker = self._parts.ranker(search.plan.ranker)
        if ranker is not None:
            attributes = self._views.attributes
            lookup = Lookup(found.vectors_of, attributes.document_of, attributes.passages_of)
            candidates = order(ranker, candidates, found.vector, lookup)
        search.clock.lap("ranker")
        return candidates

    def _check(self, search: _Search, candidates: Candidates) -> tuple[list[Hit], bool]:
        """Those that pass the catalog, as many as are wanted or a reranker looks at; whether one was overtaken."""
        document_of = self._views.attributes.document_of
        check = CatalogCheck(self._catalog, search.collection, search.request, search.principal, document_of)
        rerank = search.plan.rerank
        checked = check.first(candidates, search.wanted if rerank is None else max(search.wanted, rerank.depth))
        search.clock.lap("check")
        return checked

    def _rerank(self, search: _Search, hits: list[Hit]) -> list[Hit]:
        """The first ones by the reranker's scores, where the plan has one."""
        step = search.plan.rerank
        if step is None:
            return hits
        first, rest = hits[: step.depth], hits[step.depth :]
        passages = [passage_text(hit.chunk.title, hit.chunk.heading, hit.chunk.text) for hit in first]
        scores = self._open_reranker(step.name).rerank(search.request.query, passages)
        ranked = sorted(zip(scores, first, strict=True), key=lambda pair: (-pair[0], pair[1].fused.label))
        told = [replace(hit, rerank_score=float(score), score=float(score)) for score, hit in ranked]
        above = rest[0].score - told[-1].score if rest and told else 0.0
        # whoever sorts by score must get this order: what the reranker did not see begins at its last one's score
        hits = told + [replace(hit, score=hit.score - above) if above > 0 else hit for hit in rest]
        search.clock.lap("rerank")
        return hits

    def _highlight(self, search: _Search, hits: list[Hit]) -> list[Hit]:
        """With the stretches that match, where they are asked for."""
        if search.request.highlight:
            marked = marked_tokens(self._analyzer, search.request.query)
            hits = [_highlighted(hit, highlights(self._analyzer, marked, hit.chunk.text)) for hit in hits]
        search.clock.lap("highlight")
        return hits

    def _weigh(self, search: _Search, found: _Found, hits: Sequence[Hit]) -> Evidence:
        """What the hits say of how relevant they are, by the legs that answered."""
        answered = set(legs_of(search.plan.fusion)) - set(search.legs.degraded())
        about = Asked(search.request.query, found.signals.coverage, answered)
        evidence = evidence_of(about, hits, self._views, self._analyzer, self._encoder)
        search.clock.lap("relevance")
        return evidence

    def _degraded(self, search: _Search, graph: GraphState | None) -> tuple[str, ...]:
        """What the search went without, or found behind."""
        troubles = self._views.health.troubles()
        degraded = search.legs.degraded()
        if search.allowed is not None and "attributes" in troubles:
            degraded = (*degraded, "attributes")
        if needs_graph(search.plan.diffusion) and (graph is None or "graph" in troubles):
            degraded = (*degraded, "graph")
        return (*degraded, *self.unreadable(search.plan))

    def adapted(self, name: str, vectors: Vectors) -> Vectors:
        """(questions, dim) the queries' as the adapter turns them; as they are where it cannot be read."""
        adapter = self._parts.adapter(name)
        return vectors if adapter is None else adapter.apply(vectors)

    def unreadable(self, plan: Plan) -> dict[str, str]:
        """Kinds of the plan's learned parts that searches went without of late, with the reason."""
        return self._parts.unreadable(plan)

    def prepare(self, plan: Plan) -> None:
        """Have ready what the plan's first search would wait for; what cannot be read is said when it is asked for."""
        if plan.adapter is not None and plan.fusion is not FusionMethod.SPARSE:
            self._parts.adapter(plan.adapter)
        if plan.ranker is not None and plan.fusion is not FusionMethod.SPARSE:
            self._parts.ranker(plan.ranker)
        if plan.precedents is not None:
            precedents = self._parts.precedents(plan.precedents.name)
            if precedents is not None:
                precedents.near(np.zeros(self._encoder.dim, np.float32))
            self._views.attributes.labels_of_key("")


def _highlighted(hit: Hit, found: tuple[Fragment, ...]) -> Hit:
    """As `dataclasses.replace`, which takes four times as long."""
    return Hit(hit.document_id, hit.chunk_id, hit.score, hit.chunk, found, hit.fused, hit.rerank_score)
