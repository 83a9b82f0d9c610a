"""Why a document is, or is not, among the hits of a query: followed through the same steps as a search.

A document can be lost because searches do not see it yet, by the caller's groups, by the filter, because no leg finds
it, because every leg ranks it below the depth that is asked for, or because others score higher in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.documents import StoredVersion, chunk_id, filter_fields
from retrieval.catalog.rights import may_read
from retrieval.contracts import Encoder, Scope
from retrieval.errors import OutageError, ViewError
from retrieval.filters import matches, parse_filter
from retrieval.plan import Plan
from retrieval.retriever import Retriever
from retrieval.search.legs import legs_of
from retrieval.search.spelling import Correction, corrected
from retrieval.search.types import CHUNKS_PER_DOCUMENT, MAX_TOP_K, Hit, SearchRequest
from retrieval.types import OPERATOR, Principal, Ranking
from retrieval.views.contract import Views

LOOKED_AT = 2_000  # candidates of a leg among which a rank is looked for; a search asks for a hundred or so


class Verdict(StrEnum):
    """Where the document ended."""

    FOUND = "found"
    OUTRANKED = "outranked"  # a candidate, but others score higher
    TOO_DEEP = "too_deep"  # the legs rank it below their depth
    NO_MATCH = "no_match"  # no leg finds it at all
    FILTERED = "filtered"  # its metadata does not pass the filter
    FORBIDDEN = "forbidden"  # the groups that search may not read it
    NOT_SEARCHABLE = "not_searchable"  # stored, but searches do not see it yet
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class LegFinding:
    """What one leg makes of the document's best passage.

    `rank` counts passages that the search may return, 1 the best; None: not among the first `looked_at`. `score` is
    there whatever the rights and the filter say; None: the leg does not find the passage, or does not answer.
    """

    leg: str
    used: bool  # by the plan
    answers: bool
    depth: int  # how many candidates a search asks it for
    looked_at: int
    rank: int | None = None
    score: float | None = None
    chunk_id: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """The verdict with its evidence. `place` is among documents; None: not among the candidates that were compared."""

    verdict: Verdict
    document: StoredVersion
    top_k: int
    place: int | None
    hit: Hit | None  # its best passage, where it is a candidate
    last: Hit | None  # the last hit that a search returns
    legs: tuple[LegFinding, ...]
    words: Mapping[str, bool]  # words of the query -> whether the document has them
    document_groups: tuple[str, ...]
    groups: tuple[str, ...] | None  # that the search has; None: it may read everything
    passes_filter: bool
    searchable_seq: int
    corrections: tuple[Correction, ...]  # of the query's mistyped words; legs and words are those of the corrected


class Inquiry:
    """Looks into searches of one collection."""

    def __init__(
        self,
        catalog: Catalog,
        encoder: Encoder,
        analyzer: Analyzer,
        views: Views,
        retriever: Retriever,
    ) -> None:
        self._catalog = catalog
        self._encoder = encoder
        self._analyzer = analyzer
        self._views = views
        self._retriever = retriever

    def why(
        self,
        collection: Collection,
        plan: Plan,
        request: SearchRequest,
        key: str,
        searcher: Principal,
        asker: Principal,
    ) -> Why:
        """Why the document is (not) found by a search with the rights of `searcher`.

        Raises `NotFoundError` where there is no such document, or `asker` may not read it.
        """
        document, chunks = self._catalog.documents.with_chunks(collection, key, asker)
        names = {label: chunk_id(collection.name, key, chunk.ordinal) for label, chunk in chunks}
        wanted = request.top_k or plan.top
        groups = collection.settings.default_acl if document.document.acl is None else document.document.acl
        searched = self._retriever.search(collection, plan, replace(request, highlight=False), searcher)
        hits, corrections = searched.hits, searched.corrections
        request = replace(request, query=corrected(request.query, corrections), correct=False)
        legs = tuple(self._leg(leg, plan, request, wanted, names, searcher, key) for leg in ("sparse", "dense"))
        passes = request.filter is None or matches(request.filter, filter_fields(document.document))
        ranked = self._ranked(collection, plan, request, wanted, searcher)
        place = next((at for at, hit in enumerate(ranked, 1) if hit.chunk.key == key), None)
        place = next((at for at, hit in enumerate(hits, 1) if hit.chunk.key == key), place)
        mine = [hit for hit in (*hits, *ranked) if hit.chunk.key == key]
        found = Why(
            verdict=Verdict.FOUND,
            document=document,
            top_k=wanted,
            place=place,
            hit=mine[0] if mine else None,
            last=hits[-1] if hits else None,
            legs=legs,
            words=self._words(request.query, [chunk.passage(document.document.title) for _, chunk in chunks]),
            document_groups=tuple(groups),
            groups=None if searcher.sees_all else tuple(sorted(searcher.groups)),
            passes_filter=passes,
            searchable_seq=self._views.seq,
            corrections=corrections,
        )
        return replace(found, verdict=_verdict(found, searcher, any(hit.chunk.key == key for hit in hits)))

    def _leg(
        self,
        leg: str,
        plan: Plan,
        request: SearchRequest,
        wanted: int,
        names: Mapping[int, str],
        searcher: Principal,
        key: str,
    ) -> LegFinding:
        depth = max(plan.sparse_depth if leg == "sparse" else plan.dense_depth, wanted * CHUNKS_PER_DOCUMENT)
        looked_at = max(LOOKED_AT, depth)
        finding = LegFinding(leg, used=leg in legs_of(plan.fusion), answers=True, depth=depth, looked_at=looked_at)
        search = self._searching(leg, plan, request.query)
        itself = BitMap64(list(names))
        try:
            alone = search(len(names), itself, Scope(OPERATOR, parse_filter({"_key": key})))
            allowed = self._views.attributes.allowed(searcher, request.filter)
            among = search(looked_at, allowed, Scope(searcher, request.filter))
        except (OutageError, ViewError):
            return replace(finding, answers=False)
        if not len(alone):
            return finding
        ranks = [at for at, label in enumerate(among.labels.tolist(), 1) if label in itself]
        best = among.labels[ranks[0] - 1] if ranks else alone.labels[0]
        scores = dict(zip(alone.labels.tolist(), alone.scores.tolist(), strict=True))
        rank = ranks[0] if ranks else None
        return replace(finding, rank=rank, score=scores.get(int(best)), chunk_id=names.get(int(best)))

    def _searching(self, leg: str, plan: Plan, query: str) -> Callable[[int, BitMap64 | None, Scope], Ranking]:
        """How that leg is asked."""
        if leg == "sparse":
            return lambda k, allowed, scope: self._views.sparse.search(query, k, allowed, scope)
        vectors = self._encoder.encode_queries([query])
        if plan.adapter is not None:
            vectors = self._retriever.adapted(plan.adapter, vectors)
        return lambda k, allowed, scope: self._views.dense.search(vectors[0], k, allowed, scope)

    def _ranked(
        self, collection: Collection, plan: Plan, request: SearchRequest, wanted: int, searcher: Principal
    ) -> list[Hit]:
        """The candidates of that search, each document once, as far down as can be asked without changing them.

        A search for few documents may look deeper than this, for others than those whose chunks filled its legs.
        """
        depths = {"sparse": plan.sparse_depth, "dense": plan.dense_depth}
        least = min(depths[leg] for leg in legs_of(plan.fusion))
        most = min(MAX_TOP_K, max(least, wanted * CHUNKS_PER_DOCUMENT))
        deep = replace(request, top_k=most, group_by="chunk", highlight=False)
        found = self._retriever.search(collection, plan, deep, searcher).hits
        best: dict[str, Hit] = {}
        for hit in found:
            best.setdefault(hit.chunk.key, hit)
        return list(best.values())

    def _words(self, query: str, passages: Sequence[str]) -> dict[str, bool]:
        wanted = frozenset(self._analyzer.query_tokens(query))
        held = {token for passage in passages for token in self._analyzer.tokens(passage)}
        found: dict[str, bool] = {}
        for token, start, end in self._analyzer.spans_of(query, wanted):
            word = query[start:end]
            found[word] = found.get(word, False) or token in held
        return found


def _verdict(why: Why, searcher: Principal, is_hit: bool) -> Verdict:
    if is_hit:
        return Verdict.FOUND
    if why.document.seq > why.searchable_seq:
        return Verdict.NOT_SEARCHABLE
    if not may_read(why.document_groups, searcher):
        return Verdict.FORBIDDEN
    if not why.passes_filter:
        return Verdict.FILTERED
    asked = [leg for leg in why.legs if leg.used and leg.answers]
    if why.place is not None or any(leg.rank is not None and leg.rank <= leg.depth for leg in asked):
        return Verdict.OUTRANKED
    return Verdict.NO_MATCH if all(leg.score is None for leg in asked) else Verdict.TOO_DEEP
