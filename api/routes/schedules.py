"""Schedules: jobs that are asked for again and again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from api.access.callers import Caller
from api.dependencies import AdminCaller, Kb, PageQuery, ReadCaller, Runner, State
from api.http.paging import page_json
from api.http.responses import JsonResponse
from api.jobs.defaults import DEFAULT_NAMES
from api.jobs.presentation import job_json, schedule_json
from api.knowledge_base import KnowledgeBase
from api.routes.failures import GUARDED, failures
from api.routes.jobs import arguments_for, check_right
from api.wire.jobs import JobView, ScheduleBody, ScheduleChange, SchedulePage, ScheduleView
from retrieval.catalog.schedules import NewSchedule, ScheduleRecord
from retrieval.errors import ConflictError, NotFoundError

SchedulePath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="Name of the schedule.")]

router = APIRouter(prefix="/schedules", tags=["operations"], responses=GUARDED)


@router.post("", status_code=201, response_model=ScheduleView, responses=failures(409))
def create_schedule(body: ScheduleBody, kb: Kb, caller: AdminCaller, state: State) -> dict[str, Any]:
    """Make a schedule."""
    state.target, state.detail = body.name, {"kind": body.kind, "every_seconds": body.every_seconds}
    check_right(caller, state, body.kind, body.collection)
    arguments = arguments_for(kb, caller, body.kind, body.collection, body.arguments)
    new = NewSchedule(body.name, body.kind, body.collection, arguments, body.every_seconds, body.enabled, body.first_at)
    return schedule_json(kb.catalog.schedules.create(new))


@router.get("", response_model=SchedulePage)
def list_schedules(kb: Kb, caller: ReadCaller, page: PageQuery) -> dict[str, Any]:
    """Schedules of the collections that the key covers, by name."""
    after = page.after_text()
    all_of_them = kb.catalog.schedules.all()
    found = [one for one in all_of_them if caller.reaches(one.collection) and one.name > after][: page.limit]
    return page_json("schedules", [schedule_json(one) for one in found], page.next_cursor(found, lambda one: one.name))


@router.get("/{name}", response_model=ScheduleView)
def get_schedule(name: SchedulePath, kb: Kb, caller: ReadCaller, state: State) -> dict[str, Any]:
    """One schedule."""
    return schedule_json(_found(kb, caller, state, name))


@router.patch("/{name}", response_model=ScheduleView)
def change_schedule(
    name: SchedulePath, body: ScheduleChange, kb: Kb, caller: AdminCaller, state: State
) -> dict[str, Any]:
    """Change a schedule; what is left out stays."""
    found = _found(kb, caller, state, name)
    check_right(caller, state, found.kind, found.collection)
    values: dict[str, Any] = body.model_dump(exclude_none=True)
    if body.arguments is not None:
        values["arguments"] = arguments_for(kb, caller, found.kind, found.collection, body.arguments)
    state.detail = {"changed": sorted(values)}
    return schedule_json(kb.catalog.schedules.change(name, **values) if values else found)


@router.delete("/{name}", status_code=204, responses=failures(409))
def delete_schedule(name: SchedulePath, kb: Kb, caller: AdminCaller, state: State) -> None:
    """Forget a schedule; its jobs stay."""
    _found(kb, caller, state, name)
    delete_one(kb, name)


@router.post("/{name}/run", status_code=202, response_model=JobView, responses=failures(409))
def run_schedule(name: SchedulePath, kb: Kb, caller: AdminCaller, state: State, jobs: Runner) -> Response:
    """Do its work now, whatever the time."""
    found = _found(kb, caller, state, name)
    check_right(caller, state, found.kind, found.collection)
    job = kb.catalog.jobs.get(kb.catalog.schedules.run(name))
    jobs.nudge()
    return JsonResponse(job_json(job), 202, {"Location": f"/v1/jobs/{job.id}"})


def delete_one(kb: KnowledgeBase, name: str) -> None:
    """Forget a schedule. Raises `ConflictError` for one that would come back with the next start."""
    if name in DEFAULT_NAMES:
        raise ConflictError(f"schedule {name!r} is built in; set its `enabled` to false instead")
    kb.catalog.schedules.delete(name)


def _found(kb: KnowledgeBase, caller: Caller, state: State, name: str) -> ScheduleRecord:
    schedule = kb.catalog.schedules.get(name)
    if not caller.reaches(schedule.collection):
        state.denied = True
        raise NotFoundError(f"schedule {name!r} does not exist; see GET /v1/schedules or `kb schedules list`")
    return schedule
