"""Long work with a state that survives the process doing it.

    queued ──claim──▶ running ──▶ succeeded | failed
       ▲                 │
       ├── put_back ─────┤  its process stops
       ├── take_back ────┘  its process fell silent, or let it rest, at most `MAX_ATTEMPTS` times
       └── retry ── failed | cancelled

A claim writes a name of its own into the row (`runner`), and everything the runner reports names it: a process that
was thought dead and wakes up changes nothing any more.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.batching import older
from retrieval.catalog.clock import database_now
from retrieval.catalog.engine import reading, reading_once, writing
from retrieval.errors import ConflictError, NotFoundError, NotStoppedError

MAX_ATTEMPTS = 3  # starts of a job whose process died each time; then it is the job that kills
PROCESS_DIED = "process_died"  # the error code of a job that was given up after that
SILENT_SECONDS = 30.0  # without a heartbeat, after which a process counts as dead


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_STATES = (JobState.QUEUED.value, JobState.RUNNING.value)
_RETRYABLE = (JobState.FAILED.value, JobState.CANCELLED.value)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job; `total` is None while unknown.

    `attempts` counts the starts, those that ended in an orderly stop left out. `runner` names the attempt at work; on
    a cancelled job it stays until the work has really stopped, and a running job that rests has none. `heartbeat_at`:
    of a running job, its last sign of life; of a queued one, when a broker was last told of it, None: never.
    """

    id: str
    kind: str
    collection: str
    arguments: dict[str, Any]
    state: JobState
    done: int
    total: int | None
    result: dict[str, Any] | None
    error: str
    error_code: str
    attempts: int
    runner: str
    heartbeat_at: datetime | None
    schedule: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are wanted; None means any."""

    state: str | None = None
    kind: str | None = None
    collections: Sequence[str] | None = None


class Jobs:
    """Creates jobs and moves them from state to state, each move one atomic statement."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(self, kind: str, collection: str, arguments: dict[str, Any]) -> JobRecord:
        """A queued job."""
        with writing(self._engine) as connection:
            job_id = insert_job(connection, kind, collection, arguments)
        return self.get(job_id)

    def get(self, job_id: str) -> JobRecord:
        """One job. Raises `NotFoundError`."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(schema.jobs).where(schema.jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"job {job_id!r} does not exist")
        return _record(row)

    def page(
        self, limit: int = 100, after: tuple[datetime, str] | None = None, wanted: JobFilter | None = None
    ) -> list[JobRecord]:
        """Jobs, newest first, following the one created at that time under that id."""
        c, wanted = schema.jobs.c, wanted or JobFilter()
        query = sa.select(schema.jobs).order_by(c.created_at.desc(), c.id).limit(limit)
        if after is not None:
            query = query.where(older(c.created_at, c.id, after))
        query = query if wanted.state is None else query.where(c.state == wanted.state)
        query = query if wanted.kind is None else query.where(c.kind == wanted.kind)
        query = query if wanted.collections is None else query.where(c.collection.in_(wanted.collections))
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query)]

    def counts(self) -> dict[tuple[str, JobState], int]:
        """How many jobs there are by kind and state."""
        c = schema.jobs.c
        query = sa.select(c.kind, c.state, sa.func.count()).group_by(c.kind, c.state)
        with reading_once(self._engine) as connection:
            return {(kind, JobState(state)): count for kind, state, count in connection.execute(query)}

    def waiting(self) -> dict[str, float]:
        """By kind, the seconds that its oldest queued job has waited for; kinds without one are absent."""
        c = schema.jobs.c
        queued = c.state == JobState.QUEUED.value
        query = sa.select(c.kind, sa.func.min(c.updated_at)).where(queued).group_by(c.kind)
        with reading_once(self._engine) as connection:
            now = schema.utc_now()
            return {kind: max(0.0, (now - since).total_seconds()) for kind, since in connection.execute(query)}

    def claim(self, runner: str, kinds: Sequence[str], job_id: str | None = None) -> JobRecord | None:
        """Start the oldest queued job of these kinds, or that one; None where there is none to start."""
        c = schema.jobs.c
        query = sa.select(c.id).where(c.state == JobState.QUEUED.value, c.kind.in_(kinds))
        query = query.order_by(c.created_at, c.id).limit(1) if job_id is None else query.where(c.id == job_id)
        while True:
            with reading_once(self._engine) as connection:  # so that an idle look takes no write lock
                found = connection.execute(query).scalar_one_or_none()
            if found is None:
                return None
            if (job := self._start(found, f"{runner}/{secrets.token_hex(4)}")) is not None:
                return job

    def beat(self, job: JobRecord) -> bool:
        """Say that the attempt is alive; False when it was cancelled or taken from it, and its work should stop."""
        with writing(self._engine) as connection:
            now = database_now(connection)
            mine = _attempt(job)
            connection.execute(schema.jobs.update().where(mine).values(heartbeat_at=now))
            state = connection.execute(sa.select(schema.jobs.c.state).where(mine)).scalar_one_or_none()
        return bool(state == JobState.RUNNING.value)

    def progress(self, job: JobRecord, done: int, total: int | None) -> bool:
        """Report progress; False when the job was cancelled or taken from this attempt, and its work should stop."""
        return self._move(_running(job), done=done, total=total)

    def succeed(self, job: JobRecord, result: dict[str, Any], done: int = 0, total: int | None = None) -> bool:
        """End well; False when this attempt no longer has the job."""
        final = {"state": JobState.SUCCEEDED.value, "result": result, "done": done, "total": total, "runner": ""}
        return self._move(_running(job), **final, finished_at=schema.utc_now())

    def fail(self, job: JobRecord, error: str, code: str) -> bool:
        """End with a message for a person and its stable code; False when this attempt no longer has the job."""
        final = {"state": JobState.FAILED.value, "error": error, "error_code": code, "runner": ""}
        return self._move(_running(job), **final, finished_at=schema.utc_now())

    def put_back(self, job: JobRecord) -> bool:
        """Queue a running job again because its process stops in good order; the attempt does not count."""
        queued = {"state": JobState.QUEUED.value, "runner": "", "heartbeat_at": None}
        return self._move(_running(job), **queued, attempts=job.attempts - 1)

    def rest(self, job: JobRecord) -> bool:
        """End an attempt whose job is taken back once its heartbeat is old; False when it no longer has the job."""
        return self._move(_running(job), runner="")

    def let_go(self, job: JobRecord) -> None:
        """Say that the work of a cancelled attempt has stopped, so that the job may be tried again."""
        self._move(_attempt(job) & (schema.jobs.c.state != JobState.RUNNING.value), runner="")

    def cancel(self, job_id: str) -> None:
        """Stop a job that has not ended. Raises `NotFoundError`, or `ConflictError` when it has ended."""
        is_open = (schema.jobs.c.id == job_id) & schema.jobs.c.state.in_(OPEN_STATES)
        if not self._move(is_open, state=JobState.CANCELLED.value, finished_at=schema.utc_now()):
            job = self.get(job_id)  # now, as it may have ended in this very moment
            raise ConflictError(f"job {job_id} has ended already ({job.state.value}); only open jobs can be cancelled")

    def retry(self, job_id: str, is_gone: Callable[[str], bool] = lambda _: False) -> JobRecord:
        """Queue a failed or cancelled job anew.

        Raises `NotFoundError`, `NotStoppedError` where a cancelled job's work still goes on, `ConflictError` where the
        job is in another state, or where its schedule has another open one. Work has stopped, too, where its process
        has sent no heartbeat for `SILENT_SECONDS`, or `is_gone` knows of its name that it is dead.
        """
        job = self.get(job_id)
        if job.state.value not in _RETRYABLE:
            raise ConflictError(f"job {job_id} is {job.state.value}; only failed and cancelled jobs can be retried")
        with writing(self._engine) as connection:
            is_dead = _is_silent(job, database_now(connection), SILENT_SECONDS) or is_gone(job.runner)
            if job.runner and not is_dead:
                raise NotStoppedError(f"job {job_id} is cancelled but its work has not stopped yet; retry in a moment")
            c = schema.jobs.c
            others = (c.schedule == job.schedule) & (c.schedule != "") & c.state.in_(OPEN_STATES)
            other = connection.execute(sa.select(c.id).where(others).limit(1)).scalar_one_or_none()
            if other is not None:
                raise ConflictError(
                    f"schedule {job.schedule!r} has an open job already, {other}; a second one would wait"
                )
            unchanged = (c.id == job_id) & (c.state == job.state.value) & (c.runner == job.runner)
            fresh = schema.jobs.update().where(unchanged).values(**_FRESH, updated_at=schema.utc_now())
            moved = connection.execute(fresh).rowcount
        if moved != 1:
            raise ConflictError(f"job {job_id} changed meanwhile; look at it and decide again")
        return self.get(job_id)

    def take_back(
        self, is_gone: Callable[[str], bool] = lambda _: False, silent_seconds: float = SILENT_SECONDS
    ) -> list[JobRecord]:
        """Queue again what dead processes were running, and fail what has killed `MAX_ATTEMPTS` of them.

        Dead is who has sent no heartbeat for so many seconds, or of whose name `is_gone` knows it. The jobs it moved.
        """
        c = schema.jobs.c
        with reading_once(self._engine) as connection:
            running = sa.select(schema.jobs).where(c.state == JobState.RUNNING.value)
            jobs = [_record(row) for row in connection.execute(running)]
            now = database_now(connection)
        dead = [job for job in jobs if _is_silent(job, now, silent_seconds) or is_gone(job.runner)]
        return [self.get(job.id) for job in dead if self._take_back_one(job)]

    def unsent(self, resend_seconds: float) -> list[JobRecord]:
        """Queued jobs that no broker was told of, or so long ago that it may have forgotten; oldest first."""
        c = schema.jobs.c
        with reading_once(self._engine) as connection:
            long_ago = database_now(connection) - timedelta(seconds=resend_seconds)
            untold = c.heartbeat_at.is_(None) | (c.heartbeat_at < long_ago)
            query = sa.select(schema.jobs).where(c.state == JobState.QUEUED.value, untold).order_by(c.created_at)
            return [_record(row) for row in connection.execute(query)]

    def mark_sent(self, job: JobRecord) -> None:
        """Remember that a broker was told of a queued job, unless it was begun and queued anew since it was read."""
        c = schema.jobs.c
        with writing(self._engine) as connection:
            told = {"heartbeat_at": database_now(connection)}
            as_seen = (c.id == job.id) & (c.state == JobState.QUEUED.value) & (c.updated_at == job.updated_at)
            connection.execute(schema.jobs.update().where(as_seen).values(told))

    def mark_unsent(self, job_id: str) -> None:
        """Remember that what a broker was told of a queued job came to nothing, so that it is told again."""
        queued = (schema.jobs.c.id == job_id) & (schema.jobs.c.state == JobState.QUEUED.value)
        self._move(queued, heartbeat_at=None)  # as of now: `mark_sent` of that message may come later

    def prune(self, ended_before: datetime) -> list[str]:
        """Forget jobs that ended before that time; their ids."""
        c = schema.jobs.c
        with writing(self._engine) as connection:
            old = (c.finished_at < ended_before) & c.state.not_in(OPEN_STATES)
            ids = list(connection.execute(sa.select(c.id).where(old)).scalars())
            connection.execute(schema.jobs.delete().where(old))
        return ids

    def _start(self, job_id: str, runner: str) -> JobRecord | None:
        c = schema.jobs.c
        with writing(self._engine) as connection:
            now = database_now(connection)
            taken = {"state": JobState.RUNNING.value, "runner": runner, "heartbeat_at": now, "updated_at": now}
            statement = schema.jobs.update().where(c.id == job_id, c.state == JobState.QUEUED.value)
            if connection.execute(statement.values(**taken, attempts=c.attempts + 1)).rowcount != 1:
                return None  # somebody was faster
            return _record(connection.execute(sa.select(schema.jobs).where(c.id == job_id)).one())

    def _take_back_one(self, job: JobRecord) -> bool:
        as_seen = _running(job) & (schema.jobs.c.heartbeat_at == job.heartbeat_at)
        if job.attempts < MAX_ATTEMPTS:
            return self._move(as_seen, state=JobState.QUEUED.value, runner="", heartbeat_at=None)
        error = (
            f"the process that ran it died or fell silent {job.attempts} times, the last was {job.runner}; "
            "its log says why. Mend that, then retry the job"
        )
        final = {"state": JobState.FAILED.value, "error": error, "error_code": PROCESS_DIED, "runner": ""}
        return self._move(as_seen, **final, finished_at=schema.utc_now())

    def _move(self, those: sa.ColumnElement[bool], **values: Any) -> bool:
        with writing(self._engine) as connection:
            statement = schema.jobs.update().where(those)
            return connection.execute(statement.values(**values, updated_at=schema.utc_now())).rowcount == 1


_FRESH: dict[str, Any] = {
    "state": JobState.QUEUED.value,
    "attempts": 0,
    "runner": "",
    "heartbeat_at": None,
    "done": 0,
    "total": None,
    "result": None,
    "error": "",
    "error_code": "",
    "finished_at": None,
}


def insert_job(
    connection: sa.Connection, kind: str, collection: str, arguments: dict[str, Any], schedule: str = ""
) -> str:
    """A queued job within a transaction of the caller's; its id."""
    now, job_id = schema.utc_now(), uuid.uuid4().hex
    values = {"id": job_id, "kind": kind, "collection": collection, "arguments": arguments, "schedule": schedule}
    connection.execute(
        schema.jobs.insert().values(**values, state=JobState.QUEUED.value, created_at=now, updated_at=now)
    )
    return job_id


def part_from_collection(connection: sa.Connection, collection: str) -> None:
    """Cancel the open jobs of a collection that is dropped, within the transaction that does so.

    From then on all of them bear another name, so that none acts on a later collection of that name, and what came of
    them is not told to the keys of that one.
    """
    c, now = schema.jobs.c, schema.utc_now()
    cancelled = {"state": JobState.CANCELLED.value, "finished_at": now, "updated_at": now}
    mine = schema.jobs.update().where(c.collection == collection)
    connection.execute(mine.where(c.state.in_(OPEN_STATES)).values(**cancelled))
    connection.execute(mine.values(collection=f"{collection} (deleted)"))


def _attempt(job: JobRecord) -> sa.ColumnElement[bool]:
    return (schema.jobs.c.id == job.id) & (schema.jobs.c.runner == job.runner)


def _running(job: JobRecord) -> sa.ColumnElement[bool]:
    return _attempt(job) & (schema.jobs.c.state == JobState.RUNNING.value)


def _is_silent(job: JobRecord, now: datetime, seconds: float) -> bool:
    return job.heartbeat_at is None or (now - job.heartbeat_at).total_seconds() > seconds


def _record(row: sa.Row[Any]) -> JobRecord:
    values = dict(row._mapping)
    return JobRecord(**values | {"state": JobState(values["state"])})
