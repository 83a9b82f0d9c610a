"""The run log of sources: what each reading of a source did, and for streaming ones what each minute did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing
from retrieval.catalog.sources import SourceRecord
from retrieval.catalog.upsert import insert

KEPT = timedelta(days=30)  # older entries are dropped as new ones come
STEP = timedelta(minutes=1)  # of streaming that is one entry


class RunKind(StrEnum):
    """What an entry tells of."""

    READING = "reading"  # the source was read from its cursor, or from its beginning, to its end
    STREAM = "stream"  # what came within one minute


@dataclass(frozen=True, slots=True)
class RunWork:
    """What was done: documents by outcome, inputs that failed, change events, seconds by stage."""

    outcomes: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    events: int = 0
    stages: Mapping[str, float] = field(default_factory=dict)

    def plus(self, other: RunWork) -> RunWork:
        """Both together."""
        outcomes, stages = dict(self.outcomes), dict(self.stages)
        for outcome, count in other.outcomes.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
        for stage, seconds in other.stages.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
        return RunWork(outcomes, self.failed + other.failed, self.events + other.events, stages)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One entry; `error` says why a reading ended early, and is empty where it did not."""

    id: int
    source: str
    kind: RunKind
    began_at: datetime
    ended_at: datetime
    work: RunWork
    error: str


class SourceRuns:
    """Writes and reads the log of one catalog."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, source: SourceRecord, began_at: datetime, work: RunWork, error: str = "") -> None:
        """Note a reading that ended now; nothing where the source was deleted meanwhile."""
        with writing(self._engine) as connection:
            if _is_there(connection, source.id):
                values = _values(source.id, RunKind.READING, began_at, schema.utc_now(), work)
                connection.execute(schema.source_runs.insert().values(**values, error=error))
                _forget_old(connection, source.id)

    def stream(self, source_id: int, at: datetime, work: RunWork) -> None:
        """Add what streaming did to the entry of that minute; nothing where the source was deleted meanwhile."""
        minute = at.replace(second=0, microsecond=0)
        c = schema.source_runs.c
        mine = (c.source_id == source_id) & (c.kind == RunKind.STREAM.value) & (c.began_at == minute)
        with writing(self._engine) as connection:
            if not _is_there(connection, source_id):
                return
            values = _values(source_id, RunKind.STREAM, minute, at, RunWork())
            new = insert(connection, schema.source_runs).values(**values, error="").on_conflict_do_nothing()
            is_new = connection.execute(new).rowcount > 0
            query: sa.Select[Any] = sa.select(c.id, c.ended_at, c.outcomes, c.failed, c.events, c.stages)
            row = connection.execute(query.where(mine).with_for_update()).one()
            values = _values(source_id, RunKind.STREAM, minute, max(at, row.ended_at), _work(row).plus(work))
            connection.execute(schema.source_runs.update().where(c.id == row.id).values(**values))
            if is_new:
                _forget_old(connection, source_id)

    def page(
        self, collection: Collection, source: str | None = None, limit: int = 100, before: int | None = None
    ) -> list[RunRecord]:
        """Entries of a collection's sources, or of one of them, newest first, older than the id `before`."""
        c, s = schema.source_runs.c, schema.sources.c
        query: sa.Select[Any] = (
            sa.select(c.id, s.name, c.kind, c.began_at, c.ended_at, c.outcomes, c.failed, c.events, c.stages, c.error)
            .join(schema.sources, s.id == c.source_id)
            .where(s.collection_id == collection.id)
            .order_by(c.id.desc())
            .limit(limit)
        )
        query = query if source is None else query.where(s.name == source)
        query = query if before is None else query.where(c.id < before)
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query)]


def _is_there(connection: sa.Connection, source_id: int) -> bool:
    c = schema.sources.c
    return connection.execute(sa.select(c.id).where(c.id == source_id).with_for_update()).first() is not None


def _values(source_id: int, kind: RunKind, began_at: datetime, ended_at: datetime, work: RunWork) -> dict[str, Any]:
    return {
        "source_id": source_id,
        "kind": kind.value,
        "began_at": began_at,
        "ended_at": ended_at,
        "outcomes": {outcome: count for outcome, count in work.outcomes.items() if count},
        "failed": work.failed,
        "events": work.events,
        "stages": {stage: round(seconds, 6) for stage, seconds in work.stages.items()},
    }


def _forget_old(connection: sa.Connection, source_id: int) -> None:
    c = schema.source_runs.c
    old = (c.source_id == source_id) & (c.began_at < schema.utc_now() - KEPT)
    connection.execute(schema.source_runs.delete().where(old))


def _work(row: sa.Row[Any]) -> RunWork:
    return RunWork(row.outcomes, row.failed, row.events, row.stages)


def _record(row: sa.Row[Any]) -> RunRecord:
    return RunRecord(row.id, row.name, RunKind(row.kind), row.began_at, row.ended_at, _work(row), row.error)
