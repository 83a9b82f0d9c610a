"""Jobs: long work with a state; start, list, look at, follow, cancel, retry."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.access.callers import Caller
from api.access.encoder_reach import check_encoder
from api.access.security import RIGHTS_SECONDS, Presented
from api.dependencies import Authentication, Kb, PageQuery, ReadCaller, Runner, State, WriteCaller, check_reach
from api.errors import forbidden
from api.http.listeners import EventStream, Listeners
from api.http.paging import moment_position, page_json
from api.http.responses import JsonResponse
from api.http.sse import event
from api.jobs.asking import checked, task_of, tried_again
from api.jobs.presentation import job_json_for
from api.jobs.tasks import with_caller
from api.knowledge_base import KnowledgeBase
from api.requested_plan import plan_of
from api.routes.failures import GUARDED, failures
from api.services import of_request
from api.wire.base import COLLECTION_PATTERN
from api.wire.jobs import JobBody, JobPage, JobView
from retrieval.catalog.jobs import OPEN_STATES, JobFilter, JobRecord
from retrieval.errors import NotFoundError

EVENT_SECONDS = 0.5  # between two looks at a job that is followed
STREAM_SECONDS = 300.0  # after which a listener is asked to come again, as EventSource does by itself

JobId = Annotated[str, Path(alias="job", pattern=r"^[0-9a-f]{32}$", description="The job's id.")]
StateQuery = Annotated[
    Literal["queued", "running", "succeeded", "failed", "cancelled"] | None, Query(description="Only in this state.")
]
KindQuery = Annotated[str | None, Query(max_length=63, pattern=r"^[^\x00]*$", description="Only of this kind.")]
OneCollection = Annotated[str | None, Query(pattern=COLLECTION_PATTERN, description="Only of this collection.")]


async def _followers(request: Request) -> Listeners:
    return of_request(request).job_followers


Followers = Annotated[Listeners, Depends(_followers)]

router = APIRouter(prefix="/jobs", tags=["operations"], responses=GUARDED)


@router.post("", status_code=202, response_model=JobView, summary="Start a job")
def start_job(body: JobBody, kb: Kb, caller: WriteCaller, state: State, jobs: Runner) -> Response:
    """Queue work of a kind that `kb modules` lists; most kinds need scope admin."""
    state.target, state.detail = body.collection, {"kind": body.kind}
    check_right(caller, state, body.kind, body.collection)
    arguments = arguments_for(kb, caller, body.kind, body.collection, body.arguments)
    if arguments.get("plan") is not None:
        plan_of(kb, body.collection, arguments["plan"], caller)  # as where it is asked for without a job
    job = jobs.submit(body.kind, body.collection, with_caller(arguments, caller.principal))
    return JsonResponse(job_json_for(job, caller), 202, {"Location": f"/v1/jobs/{job.id}"})


@router.get("", response_model=JobPage)
def list_jobs(
    kb: Kb,
    caller: ReadCaller,
    state: State,
    page: PageQuery,
    in_state: Annotated[StateQuery, Query(alias="state")] = None,
    kind: KindQuery = None,
    collection: OneCollection = None,
) -> dict[str, Any]:
    """Jobs of the collections that the key covers, newest first; result and error for who asked, and admin keys."""
    within = caller.collections if collection is None else (check_reach(state, collection),)
    found = kb.catalog.jobs.page(page.limit, page.after_moment(), JobFilter(in_state, kind, within))
    cursor = page.next_cursor(found, lambda job: moment_position(job.created_at, job.id))
    return page_json("jobs", [job_json_for(job, caller) for job in found], cursor)


@router.get("/{job}", response_model=JobView)
def get_job(job: JobId, kb: Kb, caller: ReadCaller, state: State) -> dict[str, Any]:
    """One job; its result and error are for who asked for it, and for admin keys."""
    return job_json_for(_found(kb, caller, state, job), caller)


@router.get(
    "/{job}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events named `job`, each the whole job."}},
)
async def follow_job(
    job: JobId,
    kb: Kb,
    caller: ReadCaller,
    state: State,
    authentication: Authentication,
    followers: Followers,
    request: Request,
) -> Response:
    """The job whenever it changes, as server-sent events, until it has ended."""
    first = await run_in_threadpool(_found, kb, caller, state, job)
    still_good = partial(authentication.still_good, Presented.of(request.scope))
    return EventStream(followers, _changes(kb, first, caller, still_good, of_request(request).overview.is_ending))


@router.post("/{job}/cancel", response_model=JobView, responses=failures(409))
def cancel_job(job: JobId, kb: Kb, caller: WriteCaller, state: State) -> dict[str, Any]:
    """Stop a job that has not ended; what it has done stays."""
    found = _found(kb, caller, state, job)
    check_right(caller, state, found.kind, found.collection)
    kb.catalog.jobs.cancel(job)
    return job_json_for(kb.catalog.jobs.get(job), caller)


@router.post("/{job}/retry", status_code=202, response_model=JobView, responses=failures(409))
def retry_job(job: JobId, kb: Kb, caller: WriteCaller, state: State, jobs: Runner) -> dict[str, Any]:
    """Queue a failed or cancelled job again; it has the rights of who asked for it first."""
    found = _found(kb, caller, state, job)
    check_right(caller, state, found.kind, found.collection)
    again = tried_again(kb.catalog.jobs, job)
    jobs.nudge()
    return job_json_for(again, caller)


def check_right(caller: Caller, state: State, kind: str, collection: str) -> None:
    """Raises `ApiError` where the caller may not have such work done, `InvalidInputError` for an unknown kind."""
    if collection:
        check_reach(state, collection)
    task = task_of(kind)
    if caller.collections is not None and task.shared:
        raise forbidden(f"jobs of kind {kind!r} change what all collections share, your key is limited to some")
    if caller.collections is not None and not collection:
        raise forbidden("this concerns all collections, your key is limited to some; name one of them")
    if not caller.scope.includes(task.scope):
        raise forbidden(f"jobs of kind {kind!r} need scope {task.scope}, your key has {caller.scope}")


def arguments_for(
    kb: KnowledgeBase, caller: Caller, kind: str, collection: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """The arguments as they are to be stored. Raises as `checked`, and `ApiError` for what the caller may not name."""
    encoder = arguments.get("encoder")
    if collection and isinstance(encoder, str):  # first: whether a folder is there is for those who may name it
        check_encoder(kb, caller, collection, encoder)
    return checked(kb, kind, collection, arguments)


async def _changes(
    kb: KnowledgeBase,
    job: JobRecord,
    caller: Caller,
    still_good: Callable[[], bool],
    is_ending: Callable[[], bool],
) -> AsyncIterator[bytes]:
    checked_at = time.monotonic()
    until = checked_at + STREAM_SECONDS
    yield event("job", job_json_for(job, caller))
    while job.state.value in OPEN_STATES and time.monotonic() < until and not is_ending():
        await anyio.sleep(EVENT_SECONDS)
        if time.monotonic() - checked_at > RIGHTS_SECONDS:
            checked_at = time.monotonic()
            if not await run_in_threadpool(still_good):
                return
        try:
            now = await run_in_threadpool(kb.catalog.jobs.get, job.id)
        except NotFoundError:  # it ended long ago and was forgotten meanwhile
            return
        if now.updated_at != job.updated_at:
            yield event("job", job_json_for(now, caller))
        job = now


def _found(kb: KnowledgeBase, caller: Caller, state: State, job_id: str) -> JobRecord:
    job = kb.catalog.jobs.get(job_id)
    if not caller.reaches(job.collection):
        state.denied = True
        raise NotFoundError(f"job {job_id!r} does not exist")
    return job
