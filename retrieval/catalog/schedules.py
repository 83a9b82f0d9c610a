"""What is to be done again and again; any number of processes may look at the clock, each time is taken once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.clock import database_now
from retrieval.catalog.engine import reading, reading_once, writing
from retrieval.catalog.jobs import OPEN_STATES, insert_job
from retrieval.catalog.upsert import insert
from retrieval.errors import ConflictError, NotFoundError


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """One schedule. `last_job` is the id of the newest job it asked for, "" for none."""

    name: str
    kind: str
    collection: str
    arguments: dict[str, Any]
    every_seconds: int
    enabled: bool
    next_at: datetime
    last_job: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A schedule to be made; `first_at` None means one interval from now."""

    name: str
    kind: str
    collection: str
    arguments: dict[str, Any]
    every_seconds: int
    enabled: bool = True
    first_at: datetime | None = None


class Schedules:
    """Keeps schedules and turns those that are due into jobs."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(self, new: NewSchedule) -> ScheduleRecord:
        """A new schedule. Raises `ConflictError` when the name is taken."""
        if not self.ensure(new):
            raise ConflictError(f"schedule {new.name!r} exists already; change it, or choose another name")
        return self.get(new.name)

    def ensure(self, new: NewSchedule) -> bool:
        """Make the schedule unless there is one of that name, which stays as it is; whether it was made."""
        with writing(self._engine) as connection:
            now = database_now(connection)
            values = {
                "name": new.name,
                "kind": new.kind,
                "collection": new.collection,
                "arguments": new.arguments,
                "every_seconds": new.every_seconds,
                "enabled": new.enabled,
                "next_at": new.first_at or now + timedelta(seconds=new.every_seconds),
                "created_at": now,
            }
            statement = insert(connection, schema.schedules).values(**values).on_conflict_do_nothing()
            made = connection.execute(statement.returning(schema.schedules.c.name))
            return made.scalar_one_or_none() is not None

    def get(self, name: str) -> ScheduleRecord:
        """One schedule. Raises `NotFoundError`."""
        query = sa.select(schema.schedules).where(schema.schedules.c.name == name)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise _unknown(name)
        return ScheduleRecord(**row._mapping)

    def all(self) -> list[ScheduleRecord]:
        """All schedules by name, whatever order the database's language has."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(schema.schedules))
            return sorted((ScheduleRecord(**row._mapping) for row in rows), key=lambda one: one.name)

    def change(self, name: str, **values: Any) -> ScheduleRecord:
        """Replace `arguments`, `every_seconds`, `enabled` or `next_at`. Raises `NotFoundError`."""
        with writing(self._engine) as connection:
            statement = schema.schedules.update().where(schema.schedules.c.name == name)
            if connection.execute(statement.values(**values)).rowcount != 1:
                raise _unknown(name)
        return self.get(name)

    def delete(self, name: str) -> None:
        """Forget a schedule; its jobs stay. Raises `NotFoundError`."""
        with writing(self._engine) as connection:
            if connection.execute(schema.schedules.delete().where(schema.schedules.c.name == name)).rowcount != 1:
                raise _unknown(name)

    def start_due(self) -> list[str]:
        """Turn every schedule that is due into one job; the new jobs' ids.

        Times missed while nobody looked count as one. Nothing is asked for while a job of the schedule is still open.
        """
        c = schema.schedules.c
        with reading_once(self._engine) as connection:
            now = database_now(connection)
            query = sa.select(schema.schedules).where(c.enabled, c.next_at <= now).order_by(c.next_at)
            due = [ScheduleRecord(**row._mapping) for row in connection.execute(query)]
        started = [self._start(schedule, now) for schedule in due]
        return [job_id for job_id in started if job_id is not None]

    def run(self, name: str) -> str:
        """Ask for a job at once, whatever the time; its id.

        Raises `NotFoundError`, or `ConflictError` while one is open.
        """
        schedule = self.get(name)
        with writing(self._engine) as connection:
            job_id = self._ask(connection, schedule, schema.schedules.c.name == name, {})
        if job_id is None:
            raise ConflictError(f"schedule {name!r} has an open job already; wait for it or cancel it")
        return job_id

    def _start(self, schedule: ScheduleRecord, now: datetime) -> str | None:
        missed = (now - schedule.next_at) // timedelta(seconds=schedule.every_seconds)
        following = schedule.next_at + (missed + 1) * timedelta(seconds=schedule.every_seconds)
        c = schema.schedules.c
        # not after what was read, rather than equal to it: a time before the year 1 is read as that year's beginning
        mine = (c.name == schedule.name) & (c.next_at <= schedule.next_at) & c.enabled
        with writing(self._engine) as connection:
            return self._ask(connection, schedule, mine, {"next_at": following})

    def _ask(
        self,
        connection: sa.Connection,
        schedule: ScheduleRecord,
        mine: sa.ColumnElement[bool],
        values: dict[str, Any],
    ) -> str | None:
        """A job of the schedule; None where another process took this time, or where one is open still."""
        lock = schema.schedules.update().where(mine)
        if connection.execute(lock.values(**values or {"name": schedule.name})).rowcount != 1:
            return None
        j = schema.jobs.c
        still = sa.select(j.id).where(j.schedule == schedule.name, j.state.in_(OPEN_STATES)).limit(1)
        if connection.execute(still).scalar_one_or_none() is not None:
            return None
        job_id = insert_job(connection, schedule.kind, schedule.collection, schedule.arguments, schedule.name)
        latest = schema.schedules.update().where(schema.schedules.c.name == schedule.name)
        connection.execute(latest.values(last_job=job_id))
        return job_id


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"schedule {name!r} does not exist; see GET /v1/schedules or `kb schedules list`")
