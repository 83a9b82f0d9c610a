"""Rollouts: let a plan go out step by step, watch it, end it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.dependencies import AdminCaller, CollectionQuery, Kb, PageQuery, ReadCaller, State, check_reach, existing
from api.http.paging import page_json
from api.plans import rollout_steps as steps
from api.rollout.assignment import Unit
from api.rollout.view import rollout_json
from api.routes.failures import GUARDED, failures
from api.routes.plans import PlanId, plan_number
from api.wire.rollouts import AdvanceBody, RolloutBody, RolloutPage, RolloutView, StopBody
from retrieval.catalog.rollouts import Stage

router = APIRouter(prefix="/plans", tags=["plans"], responses=GUARDED)


@router.get("/rollout", response_model=RolloutView)
def get_rollout(kb: Kb, caller: ReadCaller, collection: CollectionQuery) -> dict[str, Any]:
    """The rollout that runs, or the last one, with what was counted."""
    found = existing(kb, collection)
    return rollout_json(kb.catalog, found, steps.newest(kb, found))


@router.get("/rollouts", response_model=RolloutPage)
def list_rollouts(kb: Kb, caller: ReadCaller, collection: CollectionQuery, page: PageQuery) -> dict[str, Any]:
    """All rollouts, newest first."""
    found = existing(kb, collection)
    rollouts = kb.catalog.rollouts.page(found, page.limit, page.after_number())
    shown = [rollout_json(kb.catalog, found, one) for one in rollouts]
    return page_json("rollouts", shown, page.next_cursor(rollouts, lambda one: one.id))


@router.post("/{plan}/rollout", status_code=201, response_model=RolloutView, responses=failures(409))
def begin_rollout(plan: PlanId, body: RolloutBody, kb: Kb, caller: AdminCaller, state: State) -> dict[str, Any]:
    """Let a plan go out: compared in the background, then for a share, then for all. It goes back by itself."""
    found = existing(kb, check_reach(state, body.collection))
    rollout = steps.begin(
        kb,
        found,
        plan_number(plan),
        caller.name,
        stage=Stage(body.stage),
        share=body.share,
        unit=Unit(body.unit),
        advance_after=body.advance_after,
        answer_ms=body.answer_ms,
        reason=body.reason,
    )
    state.target, state.detail["rollout"] = body.collection, rollout.id
    return rollout_json(kb.catalog, found, rollout)


@router.post("/rollout:advance", response_model=RolloutView, responses=failures(409))
def advance_rollout(body: AdvanceBody, kb: Kb, caller: AdminCaller, state: State) -> dict[str, Any]:
    """The next step: from shadow to canary, to a larger share, or to all."""
    found = existing(kb, check_reach(state, body.collection))
    rollout = steps.advance(kb, found, steps.newest(kb, found, body.seen), body.share, caller.name, body.reason)
    state.target, state.detail["rollout"] = body.collection, rollout.id
    return rollout_json(kb.catalog, found, rollout)


@router.post("/rollout:stop", response_model=RolloutView, responses=failures(409))
def stop_rollout(body: StopBody, kb: Kb, caller: AdminCaller, state: State) -> dict[str, Any]:
    """End it. What served before goes on to serve, or serves again."""
    found = existing(kb, check_reach(state, body.collection))
    rollout = steps.stop(kb, found, steps.newest(kb, found, body.seen), caller.name, body.reason)
    state.target, state.detail["rollout"] = body.collection, rollout.id
    return rollout_json(kb.catalog, found, rollout)
