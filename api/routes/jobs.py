"""Jobs: long work with a state; start, list, look at, follow, cancel, retry."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Path, Query
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.callers import Caller
from api.dependencies import Kb, PageQuery, Reader, Runner, State, Writer, check_reach
from api.errors import ApiError, forbidden
from api.jobs.asking import checked, task_of
from api.jobs.presentation import job_json
from api.jobs.tasks import with_caller
from api.knowledge_base import KnowledgeBase
from api.paging import page_json
from api.responses import JsonResponse
from api.routes.failures import GUARDED, failures
from api.sse import event
from api.wire.base import COLLECTION_PATTERN
from api.wire.jobs import JobBody, JobPage, JobView
from retrieval.catalog.jobs import OPEN_STATES, JobFilter, JobRecord
from retrieval.errors import NotFoundError

_MICROSECONDS = 1_000_000
_LAST_MOMENT = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * _MICROSECONDS
EVENT_SECONDS = 0.5  # between two looks at a job that is followed
STREAM_SECONDS = 300.0  # after which a listener is asked to come again, as EventSource does by itself

JobId = Annotated[str, Path(alias="job", pattern=r"^[0-9a-f]{32}$", description="The job's id.")]
StateQuery = Annotated[
    Literal["queued", "running", "succeeded", "failed", "cancelled"] | None, Query(description="Only in this state.")
]
KindQuery = Annotated[str | None, Query(max_length=63, pattern=r"^[^\x00]*$", description="Only of this kind.")]
OneCollection = Annotated[str | None, Query(pattern=COLLECTION_PATTERN, description="Only of this collection.")]

router = APIRouter(prefix="/jobs", tags=["operations"], responses=GUARDED)


@router.post("", status_code=202, response_model=JobView, summary="Start a job")
def start_job(body: JobBody, kb: Kb, caller: Writer, state: State, jobs: Runner) -> Response:
    """Queue work of a kind that `kb modules` lists; most kinds need scope admin."""
    state.target, state.detail = body.collection, {"kind": body.kind}
    check_right(caller, state, body.kind, body.collection)
    arguments = checked(kb, body.kind, body.collection, body.arguments)
    job = jobs.submit(body.kind, body.collection, with_caller(arguments, caller.principal))
    return JsonResponse(job_json(job), 202, {"Location": f"/v1/jobs/{job.id}"})


@router.get("", response_model=JobPage)
def list_jobs(
    kb: Kb,
    caller: Reader,
    state: State,
    page: PageQuery,
    in_state: Annotated[StateQuery, Query(alias="state")] = None,
    kind: KindQuery = None,
    collection: OneCollection = None,
) -> dict[str, Any]:
    """Jobs of the collections that the key covers, newest first."""
    before = page.after_number()
    if before is not None and before > _LAST_MOMENT:
        raise ApiError(422, "invalid_cursor", "cursor is not one of ours; pass next_cursor of the page before")
    moment = None if before is None else datetime.fromtimestamp(before / _MICROSECONDS, UTC)
    within = caller.collections if collection is None else (check_reach(state, collection),)
    found = kb.catalog.jobs.page(page.limit, moment, JobFilter(in_state, kind, within))
    cursor = page.next_cursor(found, lambda job: round(job.created_at.timestamp() * _MICROSECONDS))
    return page_json("jobs", [job_json(job) for job in found], cursor)


@router.get("/{job}", response_model=JobView)
def get_job(job: JobId, kb: Kb, caller: Reader, state: State) -> dict[str, Any]:
    """One job."""
    return job_json(_found(kb, caller, state, job))


@router.get(
    "/{job}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events named `job`, each the whole job."}},
)
async def follow_job(job: JobId, kb: Kb, caller: Reader, state: State) -> Response:
    """The job whenever it changes, as server-sent events, until it has ended."""
    first = await run_in_threadpool(_found, kb, caller, state, job)
    return StreamingResponse(_changes(kb, first), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.post("/{job}/cancel", response_model=JobView, responses=failures(409))
def cancel_job(job: JobId, kb: Kb, caller: Writer, state: State) -> dict[str, Any]:
    """Stop a job that has not ended; what it has done stays."""
    found = _found(kb, caller, state, job)
    check_right(caller, state, found.kind, found.collection)
    kb.catalog.jobs.cancel(job)
    return job_json(kb.catalog.jobs.get(job))


@router.post("/{job}/retry", status_code=202, response_model=JobView, responses=failures(409))
def retry_job(job: JobId, kb: Kb, caller: Writer, state: State, jobs: Runner) -> dict[str, Any]:
    """Queue a failed or cancelled job again; it has the rights of who asked for it first."""
    found = _found(kb, caller, state, job)
    check_right(caller, state, found.kind, found.collection)
    again = kb.catalog.jobs.retry(job)
    jobs.nudge()
    return job_json(again)


def check_right(caller: Caller, state: State, kind: str, collection: str) -> None:
    """Raises `ApiError` where the caller may not have such work done, `InvalidInputError` for an unknown kind."""
    if collection:
        check_reach(state, collection)
    elif caller.collections is not None:
        raise forbidden("this concerns all collections, your key is limited to some; name one of them")
    task = task_of(kind)
    if not caller.scope.includes(task.scope):
        raise forbidden(f"jobs of kind {kind!r} need scope {task.scope}, your key has {caller.scope}")


async def _changes(kb: KnowledgeBase, job: JobRecord) -> AsyncIterator[bytes]:
    until = time.monotonic() + STREAM_SECONDS
    yield event("job", job_json(job))
    while job.state.value in OPEN_STATES and time.monotonic() < until:
        await anyio.sleep(EVENT_SECONDS)
        try:
            now = await run_in_threadpool(kb.catalog.jobs.get, job.id)
        except NotFoundError:  # it ended long ago and was forgotten meanwhile
            return
        if now.updated_at != job.updated_at:
            yield event("job", job_json(now))
        job = now


def _found(kb: KnowledgeBase, caller: Caller, state: State, job_id: str) -> JobRecord:
    job = kb.catalog.jobs.get(job_id)
    if not caller.reaches(job.collection):
        state.denied = True
        raise NotFoundError(f"job {job_id!r} does not exist")
    return job
