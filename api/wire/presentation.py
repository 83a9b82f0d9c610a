"""Hits and answers as the plain values that JSON shows; the command line and REST print the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from retrieval.answer.types import Answer, Citation, Origin
from retrieval.graph.explain import as_indexed, name_of_node
from retrieval.plan import Plan
from retrieval.ranking.fusion import LegPart
from retrieval.search.spelling import Correction
from retrieval.search.types import Hit, SearchResult


def result_json(result: SearchResult, *, explain: bool) -> dict[str, Any]:
    """A search result; `explain` adds each leg's rank, score, weight and contribution, and milliseconds by stage."""
    shown = {
        "hits": [hit_json(hit, explain=explain, others=result.hits) for hit in result.hits],
        "seq": result.seq,
        "as_of": result.as_of.isoformat(),
        "took_ms": round(result.took_ms, 3),
        "plan": digest_of(result.plan),
        "degraded": result.degraded,
        "corrections": corrections_json(result.corrections),
    }
    if result.arm:
        shown["arm"] = result.arm
    if result.relevance is not None:
        shown["relevance"] = round(result.relevance, 3)
    if explain:
        shown["stages"] = {stage: round(ms, 3) for stage, ms in result.stages.items()}
        shown["coverage"] = round(result.coverage, 3)
    return shown


def corrections_json(corrections: Sequence[Correction]) -> list[dict[str, str]]:
    """The words that were searched for instead of mistyped ones."""
    return [{"from": one.typed, "to": one.meant} for one in corrections]


@lru_cache(maxsize=256)
def digest_of(plan: Plan) -> str:
    """The plan's digest, computed once: mostly the same plan serves all searches."""
    return plan.digest


def hit_json(hit: Hit, *, explain: bool, others: Sequence[Hit] = ()) -> dict[str, Any]:
    """One hit; explained, it may name those of the others that it owes its score to."""
    chunk = hit.chunk
    shown: dict[str, Any] = {
        "document_id": hit.document_id,
        "chunk_id": hit.chunk_id,
        "key": chunk.key,
        "score": hit.score,
        "title": chunk.title,
        "text": chunk.text,
        "heading": chunk.heading,
        "page": chunk.page,
        "start": chunk.start,
        "end": chunk.end,
        "language": chunk.language,
        "highlights": [{"text": fragment.text, "marks": fragment.marks} for fragment in hit.highlights],
        "uri": chunk.uri,
        "source": _source(Origin(chunk.source, chunk.table, chunk.key, chunk.position)),
        "metadata": chunk.metadata,
        "version": chunk.version,
        "as_of": chunk.as_of.isoformat(),
    }
    if explain:
        shown["explain"] = {
            "sparse": _leg(hit.fused.sparse),
            "dense": _leg(hit.fused.dense),
            "feedback": hit.fused.feedback,
            "graph": _graph(hit, others),
            "precedents": None if hit.fused.precedent is None else hit.fused.precedent._asdict(),
            "ranker": hit.fused.ranker,
            "rerank": None if hit.rerank_score is None else {"score": hit.rerank_score},
        }
    return shown


def answer_json(answer: Answer, search: SearchResult) -> dict[str, Any]:
    """An answer with its citations and the operation it was read at."""
    return {
        "answer": answer.text,
        "citations": [citation_json(citation) for citation in answer.citations],
        "confidence": round(answer.confidence, 4),
        "refused": answer.refused,
        "reason": answer.reason,
        "generator": answer.generator,
        "degraded": answer.degraded or _without(search),
        "corrections": corrections_json(search.corrections),
        "seq": search.seq,
        "as_of": search.as_of.isoformat(),
        "took_ms": round(search.took_ms, 3),
        "plan": digest_of(search.plan),
    }


def _without(search: SearchResult) -> str:
    legs = " and ".join(search.degraded)
    return f"the {legs} leg of the search does not answer or is behind" if legs else ""


def citation_json(citation: Citation) -> dict[str, Any]:
    """One citation: the span of the document's stored text that it quotes, and where a person finds it."""
    return {
        "number": citation.number,
        "document_id": citation.document_id,
        "chunk_id": citation.chunk_id,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
        "title": citation.title,
        "heading": citation.heading,
        "page": citation.page,
        "uri": citation.uri,
        "source": _source(citation.source),
        "as_of": None if citation.as_of is None else citation.as_of.isoformat(),
    }


def _source(origin: Origin) -> dict[str, Any]:
    return {"name": origin.name, "table": origin.table, "key": origin.key, "position": origin.position}


def _graph(hit: Hit, others: Sequence[Hit]) -> dict[str, Any] | None:
    """What the corpus graph gave, over which edge, and from which of the hits."""
    part = hit.fused.graph
    if part is None:
        return None
    giver = next((other for other in others if other.fused.label == part.source), None)
    return {
        "score": part.contribution,
        "contribution": part.contribution,
        "edges": part.edges,
        "via": _via(part.node, hit) or (None if giver is None else _via(part.node, giver)),
        "source": None if giver is None else giver.chunk_id,
    }


def _via(node: int, hit: Hit) -> str | None:
    chunk = hit.chunk
    return name_of_node(node, as_indexed(chunk.title, chunk.heading, chunk.text, chunk.key, chunk.source, chunk.uri))


def _leg(part: LegPart | None) -> dict[str, Any] | None:
    if part is None:
        return None
    return {"rank": part.rank, "score": part.score, "weight": part.weight, "contribution": part.contribution}
