"""Plans: how a collection searches. Store, compare, promote, roll back; one pointer says which serves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from api.dependencies import (
    AdminCaller,
    CollectionQuery,
    Kb,
    PageQuery,
    ReadCaller,
    State,
    WriteCaller,
    check_reach,
    existing,
)
from api.errors import ApiError
from api.http.paging import MAX_ID, page_json
from api.knowledge_base import KnowledgeBase
from api.plans.fitting_plan import back_to_former, require_servable
from api.requested_plan import require_trust
from api.routes.failures import GUARDED, failures
from api.wire.operations import PlanBody, PlanDifference, PlanPage, PlanView, SwitchBody
from retrieval.catalog import Collection
from retrieval.catalog.plans import ANY, PlanRecord
from retrieval.plan import DEFAULT_PLAN, Plan
from retrieval.stored_plan import stored_plan

DEFAULT = "default"

PlanId = Annotated[
    str, Path(alias="plan", pattern=r"^(default|[0-9]{1,18})$", description="A plan's number, or `default`.")
]

router = APIRouter(prefix="/plans", tags=["plans"], responses=GUARDED)


@router.get("", response_model=PlanPage)
def list_plans(kb: Kb, caller: ReadCaller, collection: CollectionQuery, page: PageQuery) -> dict[str, Any]:
    """The stored plans, oldest first, the one that serves, and the one that a rollback returns to."""
    found = existing(kb, collection)
    after = page.after_number() or 0
    plans = [plan for plan in kb.catalog.plans.all(found) if plan.id > after][: page.limit]
    shown = page_json("plans", [_view(found, plan) for plan in plans], page.next_cursor(plans, lambda plan: plan.id))
    last = kb.catalog.plans.last_switch(found)
    former = None if last is None else _view(found, _record(kb, found, last.previous_id))
    return shown | {"serving": _view(found, _record(kb, found, found.plan_id)), "former": former}


@router.post("", status_code=201, response_model=PlanView)
def create_plan(body: PlanBody, kb: Kb, caller: WriteCaller, state: State) -> dict[str, Any]:
    """Store a plan. It serves once it is promoted."""
    found = existing(kb, check_reach(state, body.collection))
    plan = Plan.from_dict(body.plan)
    require_trust(kb, found, plan, caller)
    record = kb.catalog.plans.add(found, body.name, plan.to_dict(), plan.digest, caller.name)
    state.target, state.detail["plan"] = body.collection, record.id
    return _view(found, record)


@router.get("/{plan}", response_model=PlanView)
def get_plan(plan: PlanId, kb: Kb, caller: ReadCaller, collection: CollectionQuery) -> dict[str, Any]:
    """One plan."""
    found = existing(kb, collection)
    return _view(found, _record(kb, found, plan_number(plan)))


@router.get("/{plan}/diff", response_model=PlanDifference)
def diff_plans(
    plan: PlanId,
    kb: Kb,
    caller: ReadCaller,
    collection: CollectionQuery,
    against: Annotated[str, Query(pattern=r"^(default|[0-9]{1,18})$", description="The other plan.")] = DEFAULT,
) -> dict[str, Any]:
    """The choices in which two plans differ."""
    found = existing(kb, collection)
    one, other = (stored_plan(kb.catalog, found, plan_number(name)).to_dict() for name in (plan, against))
    differences = [
        {"field": name, "one": one.get(name), "other": other.get(name)}
        for name in one | other
        if one.get(name) != other.get(name)
    ]
    return {"differences": differences}


@router.post("/{plan}/promote", response_model=PlanView, responses=failures(409))
def promote_plan(plan: PlanId, body: SwitchBody, kb: Kb, caller: AdminCaller, state: State) -> dict[str, Any]:
    """Let a plan serve from now on; requests under way end with the former one."""
    found = existing(kb, check_reach(state, body.collection))
    number = plan_number(plan)
    chosen = stored_plan(kb.catalog, found, number)
    require_servable(kb, found, chosen)
    kb.runtime(body.collection).prepare(chosen)  # minutes, where a graph is built: of the generation in `found`
    kb.catalog.plans.promote(found, number, caller.name, body.reason, seen=_seen(body))
    return _switched(kb, state, body)


@router.post(":rollback", response_model=PlanView, responses=failures(409))
def roll_back_plan(body: SwitchBody, kb: Kb, caller: AdminCaller, state: State) -> dict[str, Any]:
    """Return to the plan that served before."""
    found = existing(kb, check_reach(state, body.collection))
    back_to_former(kb, found, caller.name, body.reason, _seen(body))
    return _switched(kb, state, body)


def _seen(body: SwitchBody) -> int | None:
    if body.seen is None:
        return ANY
    return body.seen if isinstance(body.seen, int) else None


def _switched(kb: KnowledgeBase, state: State, body: SwitchBody) -> dict[str, Any]:
    kb.runtime(body.collection).refresh()
    found = existing(kb, body.collection)
    state.target, state.detail["plan"] = body.collection, found.plan_id or DEFAULT
    return _view(found, _record(kb, found, found.plan_id))


def plan_number(name: str) -> int | None:
    """The number in a path; None is the default plan. Raises `ApiError` 404 for what no catalog holds."""
    if name == DEFAULT:
        return None
    number = int(name)
    if number > MAX_ID:
        raise ApiError(404, "not_found", f"plan {name} does not exist")
    return number


def _record(kb: KnowledgeBase, collection: Collection, number: int | None) -> PlanRecord | None:
    return None if number is None else kb.catalog.plans.get(collection, number)


def _view(collection: Collection, record: PlanRecord | None) -> dict[str, Any]:
    if record is None:
        default = {"id": None, "name": DEFAULT, "plan": DEFAULT_PLAN.to_dict(), "digest": DEFAULT_PLAN.digest}
        return default | {"origin": "built-in", "serving": collection.plan_id is None, "created_at": None}
    return {
        "id": record.id,
        "name": record.name,
        "plan": record.body,
        "digest": record.digest,
        "origin": record.origin,
        "serving": collection.plan_id == record.id,
        "created_at": record.created_at,
    }
