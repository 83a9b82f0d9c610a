"""Jobs and schedules as REST and the command line show them."""

from __future__ import annotations

from typing import Any

from api.jobs.tasks import without_caller
from retrieval.catalog.jobs import JobRecord
from retrieval.catalog.schedules import ScheduleRecord


def job_json(job: JobRecord) -> dict[str, Any]:
    """A job without whose rights it has."""
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
