"""Feedback: what somebody thought of a result, the raw material of evaluation sets."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from api.access.request_state import session_of
from api.dependencies import CollectionQuery, Kb, PageQuery, ReadCaller, State, WriteCaller, check_reach, existing
from api.http.paging import page_json
from api.rollout.live import judged_arm
from api.routes.failures import GUARDED
from api.wire.evaluation import Created, FeedbackBody, FeedbackPage

router = APIRouter(prefix="/feedback", tags=["evaluation"], responses=GUARDED)


@router.post("", status_code=201, response_model=Created)
def give_feedback(body: FeedbackBody, kb: Kb, caller: ReadCaller, state: State, request: Request) -> dict[str, Any]:
    """Say whether a result helped. A document that the caller may not read cannot be named."""
    state.audited = True
    found = existing(kb, check_reach(state, body.collection))
    if body.document_key is not None:
        kb.catalog.documents.get(found, body.document_key, caller.principal)
    # Asked for first, and of the catalog: what was stored must not be answered with an error.
    whose = caller.name, session_of(request), body.query
    arms = [
        (rollout, judged_arm(kb.catalog, found, rollout, body.plan, *whose))
        for rollout in kb.catalog.rollouts.running(found.id)
    ]
    number = kb.catalog.feedback.add(found, caller.name, body.query, body.document_key, body.rating, body.comment)
    for rollout, arm in arms:
        if arm:
            kb.live.feedback(rollout, arm, body.rating)
    state.detail["feedback"] = number
    return {"id": number}


@router.get("", response_model=FeedbackPage)
def list_feedback(kb: Kb, caller: WriteCaller, collection: CollectionQuery, page: PageQuery) -> dict[str, Any]:
    """What people thought, newest first. It shows other people's questions, so it needs scope write."""
    found = kb.catalog.feedback.page(existing(kb, collection), page.limit, page.after_number())
    return page_json("feedback", [asdict(one) for one in found], page.next_cursor(found, lambda one: one.id))
