"""Jobs and schedules as REST and the command line show them."""

from __future__ import annotations

from typing import Any

from api.access.callers import Caller
from api.jobs.failure_codes import NOT_TOLD
from api.jobs.tasks import CALLER, without_caller
from retrieval.catalog.jobs import JobRecord
from retrieval.catalog.schedules import ScheduleRecord

WHO_IS_TOLD = "why it failed is told to admin keys and to whoever asked for it"
PRIVATE_ARGUMENTS = frozenset({"upload"})  # kinds; an upload's id would let another writer have its outcomes told


def job_json_for(job: JobRecord, caller: Caller) -> dict[str, Any]:
    """A job as that caller may see it.

    What came of it may name documents, keys and servers, so it is for admins and for whoever asked for the job; others
    see that it runs, how far it is and how it ended.
    """
    shown = job_json(job)
    if caller.sees_all or job.arguments.get(CALLER, {}).get("name") == caller.name:
        return shown
    shown |= {"result": None}
    shown |= {"error": WHO_IS_TOLD, "error_code": NOT_TOLD} if job.error else {}
    return shown | {"arguments": {}} if job.kind in PRIVATE_ARGUMENTS else shown


def job_json(job: JobRecord) -> dict[str, Any]:
    """A job without whose rights it has, as an operator sees it."""
    return {
        "id": job.id,
        "kind": job.kind,
        "collection": job.collection,
        "arguments": without_caller(job.arguments),
        "state": job.state.value,
        "done": job.done,
        "total": job.total,
        "result": job.result,
        "error": job.error,
        "error_code": job.error_code,
        "attempts": job.attempts,
        "schedule": job.schedule,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "finished_at": job.finished_at,
    }


def schedule_json(schedule: ScheduleRecord) -> dict[str, Any]:
    """A schedule with when it comes next."""
    return {
        "name": schedule.name,
        "kind": schedule.kind,
        "collection": schedule.collection,
        "arguments": schedule.arguments,
        "every_seconds": schedule.every_seconds,
        "enabled": schedule.enabled,
        "next_at": schedule.next_at,
        "last_job": schedule.last_job,
        "created_at": schedule.created_at,
    }
