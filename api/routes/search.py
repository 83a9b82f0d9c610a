"""`POST /v1/search`: the hot path. The response is built directly; its model is the documentation and a test."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access.callers import Caller
from api.access.request_state import session_of, state_of
from api.dependencies import ReadCaller, check_reach, principal_of
from api.http.direct_route import DirectRoute
from api.http.responses import JsonResponse
from api.knowledge_base import KnowledgeBase
from api.requested_plan import plan_of
from api.routes.failures import failures
from api.services import of_request
from api.wire.presentation import result_json
from api.wire.search import SearchBody, SearchResponse
from retrieval.errors import InvalidInputError, NotYetSearchableError
from retrieval.filters import parse_filter
from retrieval.search.types import SearchRequest, SearchResult

router = APIRouter(tags=["search"], responses=failures(504), route_class=DirectRoute)


@router.post("/search", response_model=SearchResponse, summary="Search a collection")
async def search(body: SearchBody, caller: ReadCaller, request: Request) -> Response:
    """The passages that match best, by words and by meaning, among those the caller may read."""
    state = state_of(request.scope)
    check_reach(state, body.collection)
    session = session_of(request)
    result = await _in_time(request, caller, body, session)
    state.searched = result
    return JsonResponse(result_json(result, explain=body.explain))


async def _in_time(request: Request, caller: Caller, body: SearchBody, session: str) -> SearchResult:
    """Waits for `min_seq` where that is needed: between tries, so that nobody who waits holds a thread for searches."""
    served = of_request(request)
    deadline = time.monotonic() + served.kb.settings.request_timeout_seconds
    while True:
        try:
            return await served.workers.search(lambda: _search(served.kb, caller, body, session))
        except NotYetSearchableError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            await served.waits.until_searchable(request, body.collection, body.min_seq, left)


def _search(kb: KnowledgeBase, caller: Caller, body: SearchBody, session: str) -> SearchResult:
    principal = principal_of(caller, body.as_groups)
    condition = None if body.filter is None else parse_filter(body.filter)
    request = SearchRequest(
        body.query, body.top_k, condition, body.group_by, body.highlight, body.correct, body.relevance
    )
    plan = None if body.plan is None else plan_of(kb, body.collection, body.plan, caller)
    if body.min_seq:
        _check_seq(kb, body.collection, body.min_seq)
    return kb.search(body.collection, request, principal, plan=plan, min_seq=body.min_seq, timeout=0, session=session)


def _check_seq(kb: KnowledgeBase, collection: str, seq: int) -> None:
    """Nobody may wait for what was never written."""
    runtime = kb.runtime(collection)
    if seq > runtime.follower.seq and seq > (last := kb.catalog.collections.last_seq(runtime.collection.id)):
        raise InvalidInputError(f"min_seq is {seq}, but the newest write is {last}; pass a `seq` that a write returned")
