"""Jobs: long work with a state; list, look at, cancel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path

from api.callers import Caller
from api.dependencies import Kb, PageQuery, Reader, State, Writer
from api.errors import ApiError
from api.knowledge_base import KnowledgeBase
from api.paging import page_json
from api.routes.failures import GUARDED, failures
from api.wire.operations import JobPage, JobView
from retrieval.catalog.jobs import JobRecord
from retrieval.errors import NotFoundError

_MICROSECONDS = 1_000_000
_LAST_MOMENT = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * _MICROSECONDS

JobId = Annotated[str, Path(alias="job", pattern=r"^[0-9a-f]{32}$", description="The job's id.")]

router = APIRouter(prefix="/jobs", tags=["operations"], responses=GUARDED)


@router.get("", response_model=JobPage)
def list_jobs(kb: Kb, caller: Reader, page: PageQuery) -> dict[str, Any]:
    """Jobs of the collections that the key covers, newest first."""
    before = page.after_number()
    if before is not None and before > _LAST_MOMENT:
        raise ApiError(422, "invalid_cursor", "cursor is not one of ours; pass next_cursor of the page before")
    moment = None if before is None else datetime.fromtimestamp(before / _MICROSECONDS, UTC)
    found = kb.catalog.jobs.page(page.limit, moment)
    shown = [job_json(job) for job in found if caller.reaches(job.collection)]
    cursor = page.next_cursor(found, lambda job: round(job.created_at.timestamp() * _MICROSECONDS))
    return page_json("jobs", shown, cursor)


@router.get("/{job}", response_model=JobView)
def get_job(job: JobId, kb: Kb, caller: Reader, state: State) -> dict[str, Any]:
    """One job."""
    return job_json(_found(kb, caller, state, job))


@router.post("/{job}/cancel", response_model=JobView, responses=failures(409))
def cancel_job(job: JobId, kb: Kb, caller: Writer, state: State) -> dict[str, Any]:
    """Stop a job that has not ended; what it has done stays."""
    _found(kb, caller, state, job)
    kb.catalog.jobs.cancel(job)
    return job_json(kb.catalog.jobs.get(job))


def job_json(job: JobRecord) -> dict[str, Any]:
    """A job as every route shows it."""
    return {
        "id": job.id,
        "kind": job.kind,
        "collection": job.collection,
        "state": job.state.value,
        "done": job.done,
        "total": job.total,
        "result": job.result,
        "error": job.error,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "finished_at": job.finished_at,
    }


def _found(kb: KnowledgeBase, caller: Caller, state: State, job_id: str) -> JobRecord:
    job = kb.catalog.jobs.get(job_id)
    if not caller.reaches(job.collection):
        state.denied = True
        raise NotFoundError(f"job {job_id!r} does not exist")
    return job
