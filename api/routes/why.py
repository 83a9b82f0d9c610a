"""`POST /v1/search/why`: why a document is, or is not, among the hits of a search."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from api.access.callers import Caller
from api.dependencies import Kb, ReadCaller, State, check_reach, existing, principal_of
from api.knowledge_base import KnowledgeBase
from api.requested_plan import plan_of
from api.routes.failures import GUARDED
from api.wire.presentation import corrections_json, hit_json
from api.wire.search import WhyBody, WhyResponse
from retrieval.catalog.keys import Scope
from retrieval.errors import NotFoundError
from retrieval.filters import parse_filter
from retrieval.search.types import SearchRequest
from retrieval.why import Verdict, Why

router = APIRouter(tags=["search"], responses=GUARDED)


@router.post("/search/why", response_model=WhyResponse, summary="Why a document is (not) found")
def why(body: WhyBody, kb: Kb, caller: ReadCaller, state: State) -> dict[str, Any]:
    """Follows one document through a search: each leg's rank and score, and where it was lost.

    Only for documents that the caller may read; with `as_groups`, as those groups would search.
    """
    check_reach(state, body.collection)
    collection = existing(kb, body.collection)
    searcher = principal_of(caller, body.as_groups)
    condition = None if body.filter is None else parse_filter(body.filter)
    request = SearchRequest(body.query, body.top_k, condition)
    plan = None if body.plan is None else plan_of(kb, collection.name, body.plan, caller)
    try:
        found = kb.why(collection.name, body.key, request, searcher, caller.principal, plan=plan)
    except NotFoundError:
        deleted = _deleted(kb, caller, body)
        if deleted is None:
            raise
        return deleted
    return _shown(found)


def _deleted(kb: KnowledgeBase, caller: Caller, body: WhyBody) -> dict[str, Any] | None:
    """What can be said of a deleted document, to those who may see its former versions."""
    if not caller.scope.includes(Scope.WRITE):
        return None
    former = kb.catalog.versions.all(existing(kb, body.collection), body.key, caller.principal)
    if not former or not former[0].deleted:
        return None
    return {"verdict": Verdict.DELETED, "key": body.key, "deleted_at": former[0].replaced_at.isoformat()}


def _shown(why: Why) -> dict[str, Any]:
    return {
        "verdict": why.verdict,
        "key": why.document.document.key,
        "top_k": why.top_k,
        "place": why.place,
        "score": None if why.hit is None else why.hit.score,
        "last_score": None if why.last is None else why.last.score,
        "explain": None if why.hit is None else hit_json(why.hit, explain=True)["explain"],
        "legs": [asdict(leg) for leg in why.legs],
        "words": [{"word": word, "found": found} for word, found in why.words.items()],
        "document_groups": why.document_groups,
        "groups": why.groups,
        "passes_filter": why.passes_filter,
        "corrections": corrections_json(why.corrections),
        "seq": why.document.seq,
        "searchable_seq": why.searchable_seq,
    }
