"""`POST /v1/retrieval`: Dify's external-knowledge contract, so that a Dify application searches here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access.request_state import session_of
from api.dependencies import Kb, ReadCaller, State, Threads, check_reach, existing
from api.http.responses import JsonResponse
from api.knowledge_base import KnowledgeBase
from api.routes.failures import DIFY_FAILURES
from api.wire.answers import MetadataCondition, MetadataConditions, RetrievalBody, RetrievalResponse
from retrieval.catalog.documents import own_fields
from retrieval.errors import InvalidInputError
from retrieval.filters import Filter, parse_filter
from retrieval.search.types import Hit, SearchRequest, SearchResult
from retrieval.types import Principal

router = APIRouter(tags=["dify"], responses=DIFY_FAILURES)

_OPERATORS: Mapping[str, Callable[[str, Any], dict[str, Any]]] = {
    "is": lambda field, value: {field: value},
    "=": lambda field, value: {field: value},
    "is not": lambda field, value: {field: {"$ne": value}},
    "≠": lambda field, value: {field: {"$ne": value}},
    "contains": lambda field, value: {field: {"$contains": _as_text(value)}},
    "not contains": lambda field, value: {"$not": {field: {"$contains": _as_text(value)}}},
    "start with": lambda field, value: {field: {"$prefix": _as_text(value)}},
    "end with": lambda field, value: {field: {"$suffix": _as_text(value)}},
    "in": lambda field, value: {field: {"$in": _listed(value)}},
    "not in": lambda field, value: {field: {"$nin": _listed(value)}},
    ">": lambda field, value: {field: {"$gt": value}},
    "<": lambda field, value: {field: {"$lt": value}},
    "≥": lambda field, value: {field: {"$gte": value}},
    "≤": lambda field, value: {field: {"$lte": value}},
    "after": lambda field, value: {field: {"$gt": value}},
    "before": lambda field, value: {field: {"$lt": value}},
    "empty": lambda field, _: {field: {"$exists": False}},
    "not empty": lambda field, _: {field: {"$exists": True}},
}
_ALIASES = {"null": "empty", "not null": "not empty", "!=": "≠", ">=": "≥", "<=": "≤", "==": "="}


@router.post("/retrieval", response_model=RetrievalResponse, summary="Search, for Dify")
async def retrieve(
    body: RetrievalBody, request: Request, kb: Kb, caller: ReadCaller, state: State, threads: Threads
) -> Response:
    """Passages that the key may read, best first, none scoring below the threshold.

    Dify's scores are absolute: that of the best passage is how likely the passages are about the query, and the others
    have the same share of it as of the best one's score here.
    """
    check_reach(state, body.knowledge_id)
    session = session_of(request)
    found = await threads.search(lambda: _search(kb, caller.principal, body, session))
    least = body.retrieval_setting.score_threshold or -math.inf  # 0: what Dify sends where its switch is off
    scored = zip(found.hits, absolute_scores(found), strict=True)
    return JsonResponse({"records": [_record(hit, score) for hit, score in scored if score >= least]})


def absolute_scores(found: SearchResult) -> list[float]:
    """0 to 1, falling, one for each hit; relative scores may be negative, or of any size."""
    scores, relevance = [hit.score for hit in found.hits], found.relevance or 0.0
    low = min([0.0, *scores])
    best = max(scores, default=0.0) - low
    shares = [(score - low) / best if best > 0 else 1.0 for score in scores]
    return [round(relevance * share, 4) for share in shares]  # before the threshold, which may be one of them


def _search(kb: KnowledgeBase, principal: Principal, body: RetrievalBody, session: str) -> SearchResult:
    existing(kb, body.knowledge_id)
    condition = dify_filter(body.metadata_condition)
    top = body.retrieval_setting.top_k
    asked = SearchRequest(body.query, top, condition, group_by="chunk", highlight=False, relevance=True)
    return kb.search(body.knowledge_id, asked, principal, session=session)


def dify_filter(conditions: MetadataConditions | None) -> Filter | None:
    """Dify's conditions as a filter; None without any. Raises `InvalidInputError` for an unknown operator."""
    if conditions is None or not conditions.conditions:
        return None
    parts = [_condition(condition) for condition in conditions.conditions]
    return parse_filter({f"${conditions.logical_operator or 'and'}": parts})


def _condition(condition: MetadataCondition) -> dict[str, Any]:
    """A condition on several fields holds when it holds for any of them."""
    operator = _ALIASES.get(condition.comparison_operator, condition.comparison_operator)
    if operator not in _OPERATORS:
        known = ", ".join(sorted(_OPERATORS))
        raise InvalidInputError(f"comparison_operator {operator!r} is not supported; known: {known}")
    names = [condition.name] if isinstance(condition.name, str) else condition.name
    return {"$or": [_OPERATORS[operator](name, condition.value) for name in names]}


def _as_text(value: Any) -> Any:
    """A part to look for; Dify writes numbers in the same place as text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _listed(value: Any) -> Any:
    """Dify's list of values, which a variable of it may hold as one text with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [value] if isinstance(value, int | float) else value


def _record(hit: Hit, score: float) -> dict[str, Any]:
    chunk = hit.chunk
    about = {"document_id": hit.document_id, "chunk_id": hit.chunk_id, "uri": chunk.uri, "page": chunk.page}
    own = own_fields(chunk.source, chunk.table, chunk.language, chunk.key)  # as `metadata_condition` knows them
    metadata = {"heading": chunk.heading} | chunk.metadata | own | about | {"as_of": chunk.as_of.isoformat()}
    return {"content": chunk.text, "score": score, "title": chunk.title, "metadata": metadata}
