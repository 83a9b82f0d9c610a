"""Long work with a state that survives the process doing it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.engine import reading, writing
from retrieval.errors import ConflictError, NotFoundError


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_STATES = (JobState.QUEUED.value, JobState.RUNNING.value)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job; `total` is None while unknown."""

    id: str
    kind: str
    collection: str
    arguments: dict[str, Any]
    state: JobState
    done: int
    total: int | None
    result: dict[str, Any] | None
    error: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class Jobs:
    """Creates jobs and moves them from state to state."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(self, kind: str, collection: str, arguments: dict[str, Any]) -> JobRecord:
        """A queued job."""
        now = schema.utc_now()
        job_id = uuid.uuid4().hex
        values = {"id": job_id, "kind": kind, "collection": collection, "arguments": arguments}
        with writing(self._engine) as connection:
            connection.execute(
                schema.jobs.insert().values(**values, state=JobState.QUEUED.value, created_at=now, updated_at=now)
            )
        return self.get(job_id)

    def get(self, job_id: str) -> JobRecord:
        """One job. Raises `NotFoundError`."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(schema.jobs).where(schema.jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"job {job_id!r} does not exist")
        return _record(row)

    def page(self, limit: int = 100, before: datetime | None = None) -> list[JobRecord]:
        """Jobs, newest first, created before that time."""
        c = schema.jobs.c
        query = sa.select(schema.jobs).order_by(c.created_at.desc(), c.id).limit(limit)
        query = query if before is None else query.where(c.created_at < before)
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query)]

    def start(self, job_id: str) -> bool:
        """Move from queued to running; False when it was cancelled or taken meanwhile."""
        return self._move(job_id, (JobState.QUEUED.value,), state=JobState.RUNNING.value)

    def progress(self, job_id: str, done: int, total: int | None) -> bool:
        """Report progress; False when the job was cancelled and should stop."""
        return self._move(job_id, (JobState.RUNNING.value,), done=done, total=total)

    def succeed(self, job_id: str, result: dict[str, Any]) -> None:
        """End well."""
        self._move(job_id, OPEN_STATES, state=JobState.SUCCEEDED.value, result=result, finished_at=schema.utc_now())

    def fail(self, job_id: str, error: str) -> None:
        """End with a message for a person."""
        self._move(job_id, OPEN_STATES, state=JobState.FAILED.value, error=error, finished_at=schema.utc_now())

    def cancel(self, job_id: str) -> None:
        """Stop a job that has not ended. Raises `NotFoundError`, or `ConflictError` when it has ended."""
        job = self.get(job_id)
        if not self._move(job_id, OPEN_STATES, state=JobState.CANCELLED.value, finished_at=schema.utc_now()):
            raise ConflictError(f"job {job_id} has ended already ({job.state.value}); only open jobs can be cancelled")

    def _move(self, job_id: str, allowed: tuple[str, ...], **values: Any) -> bool:
        c = schema.jobs.c
        with writing(self._engine) as connection:
            statement = schema.jobs.update().where(c.id == job_id, c.state.in_(allowed))
            return connection.execute(statement.values(**values, updated_at=schema.utc_now())).rowcount == 1


def _record(row: sa.Row[Any]) -> JobRecord:
    return JobRecord(
        row.id,
        row.kind,
        row.collection,
        row.arguments,
        JobState(row.state),
        row.done,
        row.total,
        row.result,
        row.error,
        row.created_at,
        row.updated_at,
        row.finished_at,
    )
