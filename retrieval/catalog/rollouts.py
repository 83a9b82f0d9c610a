"""Rollouts: a plan on its way from nobody to everybody, and what all processes together counted of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, reading_once, writing
from retrieval.catalog.upsert import insert
from retrieval.errors import ConflictError, NotFoundError

Counts = Mapping[tuple[str, str], float]  # (arm, measure) -> sum


class Stage(StrEnum):
    """Where a rollout stands; the last four are ends."""

    SHADOW = "shadow"  # searches again in the background, shown to nobody
    CANARY = "canary"  # serves a share
    FULL = "full"  # serves all
    STOPPED = "stopped"  # by a person
    ROLLED_BACK = "rolled_back"  # by what was counted
    SUPERSEDED = "superseded"  # another plan was promoted meanwhile


RUNNING = (Stage.SHADOW, Stage.CANARY)
DEFAULT_SHARE = 0.1
BEGIN_OPTIONS = {"unit": "session", "advance_after": 0}  # unless a person says otherwise


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """One rollout. `plan_id` is the candidate, `previous_id` what served when it began; None: the default plan."""

    id: int
    collection_id: int
    plan_id: int | None
    previous_id: int | None
    stage: Stage
    share: float
    options: dict[str, Any]
    reference: dict[str, float] | None
    by: str
    reason: str
    began_at: datetime
    changed_at: datetime
    ended_at: datetime | None

    @property
    def runs(self) -> bool:
        """Whether it takes part in searches."""
        return self.stage in RUNNING


class Rollouts:
    """Begins, advances, ends and counts rollouts; of a collection one runs at a time."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def begin(
        self,
        collection: Collection,
        plan_id: int | None,
        stage: Stage,
        share: float,
        options: Mapping[str, Any],
        by: str,
        reason: str,
    ) -> RolloutRecord:
        """A new rollout. Raises `ConflictError` where one runs already, or that plan serves already."""
        r = schema.rollouts.c
        with writing(self._engine) as connection:
            serving = serving_plan(connection, collection.id, locked=True)
            running = sa.select(r.id).where(r.collection_id == collection.id, r.ended_at.is_(None))
            known = connection.execute(running).first()
            if known is not None:
                raise ConflictError(
                    f"rollout {known.id} of collection {collection.name!r} runs; stop or advance it first"
                )
            if serving == plan_id:
                raise ConflictError(f"plan {plan_id or 'default'} serves {collection.name!r} already")
            now = schema.utc_now()
            values: dict[str, Any] = {"collection_id": collection.id, "plan_id": plan_id, "previous_id": serving}
            values |= {"stage": stage.value, "share": share, "options": dict(options), "by": by, "reason": reason}
            statement = schema.rollouts.insert().values(**values, began_at=now, changed_at=now)
            key = connection.execute(statement).inserted_primary_key
        assert key is not None
        return self.get(collection, key[0])

    def get(self, collection: Collection, number: int) -> RolloutRecord:
        """One rollout. Raises `NotFoundError`."""
        r = schema.rollouts.c
        with reading_once(self._engine) as connection:
            query = sa.select(schema.rollouts).where(r.collection_id == collection.id, r.id == number)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"rollout {number} does not exist in collection {collection.name!r}")
        return _record(row)

    def page(self, collection: Collection, limit: int = 100, before: int | None = None) -> list[RolloutRecord]:
        """Rollouts, newest first, older than the id `before`."""
        r = schema.rollouts.c
        query = sa.select(schema.rollouts).where(r.collection_id == collection.id)
        query = query if before is None else query.where(r.id < before)
        with reading_once(self._engine) as connection:
            return [_record(row) for row in connection.execute(query.order_by(r.id.desc()).limit(limit))]

    def running(self, collection_id: int | None = None) -> list[RolloutRecord]:
        """The rollouts that run, of one collection or of all."""
        r = schema.rollouts.c
        query = sa.select(schema.rollouts).where(r.ended_at.is_(None))
        query = query if collection_id is None else query.where(r.collection_id == collection_id)
        with reading_once(self._engine) as connection:
            return [_record(row) for row in connection.execute(query.order_by(r.id))]

    def newest(self) -> list[RolloutRecord]:
        """The newest rollout of each collection that has had one."""
        r = schema.rollouts.c
        last = sa.select(sa.func.max(r.id)).group_by(r.collection_id)
        with reading_once(self._engine) as connection:
            return [_record(row) for row in connection.execute(sa.select(schema.rollouts).where(r.id.in_(last)))]

    def move(self, rollout: RolloutRecord, stage: Stage, share: float, reason: str) -> bool:
        """Say that it stands elsewhere now; False where it was moved by another meanwhile. Switches no plan."""
        with writing(self._engine) as connection:
            return moved(connection, rollout, stage, share, reason)

    def refer(self, rollout: RolloutRecord, reference: Mapping[str, float]) -> bool:
        """Keep the latencies that slowness is counted above from now on; False where it was moved meanwhile."""
        with writing(self._engine) as connection:
            statement = schema.rollouts.update().where(_unmoved(rollout)).values(reference=dict(reference))
            return connection.execute(statement).rowcount == 1

    def add(self, rollout_id: int, stage: Stage, counts: Counts) -> None:
        """Add to what was counted at that stage; nothing where the rollout is gone with its collection."""
        rows = [
            {"rollout_id": rollout_id, "stage": stage.value, "arm": arm, "measure": measure, "value": value}
            for (arm, measure), value in sorted(counts.items())
        ]
        table = schema.rollout_counts
        with writing(self._engine) as connection:
            known = sa.select(schema.rollouts.c.id).where(schema.rollouts.c.id == rollout_id)
            if not rows or connection.execute(known).first() is None:
                return
            statement = insert(connection, table)
            added = {"value": table.c.value + statement.excluded.value}
            key = ["rollout_id", "stage", "arm", "measure"]
            connection.execute(statement.on_conflict_do_update(index_elements=key, set_=added), rows)

    def counts(self, rollout_id: int) -> dict[Stage, dict[tuple[str, str], float]]:
        """Everything that was counted, by stage."""
        n = schema.rollout_counts.c
        query = sa.select(n.stage, n.arm, n.measure, n.value).where(n.rollout_id == rollout_id)
        found: dict[Stage, dict[tuple[str, str], float]] = {}
        with reading(self._engine) as connection:
            for stage, arm, measure, value in connection.execute(query):
                found.setdefault(Stage(stage), {})[arm, measure] = value
        return found


def serving_plan(connection: sa.Connection, collection_id: int, *, locked: bool = False) -> int | None:
    """The plan that serves, None being the default; nobody else's where `locked`. Raises `NotFoundError`."""
    c = schema.collections.c
    query = sa.select(c.plan_id).where(c.id == collection_id)
    row = connection.execute(query.with_for_update() if locked else query).one_or_none()
    if row is None:
        raise NotFoundError("the collection was deleted meanwhile")
    plan: int | None = row.plan_id
    return plan


def moved(connection: sa.Connection, rollout: RolloutRecord, stage: Stage, share: float, reason: str) -> bool:
    """As `Rollouts.move`, in a transaction under way."""
    now = schema.utc_now()
    values: dict[str, Any] = {"stage": stage.value, "share": share, "reason": reason, "changed_at": now}
    values["ended_at"] = None if stage in RUNNING else now
    return connection.execute(schema.rollouts.update().where(_unmoved(rollout)).values(**values)).rowcount == 1


def _unmoved(rollout: RolloutRecord) -> sa.ColumnElement[bool]:
    """It still stands as the record says: of two processes that see the same, one acts."""
    r = schema.rollouts.c
    return sa.and_(r.id == rollout.id, r.stage == rollout.stage.value, r.changed_at == rollout.changed_at)


def end_superseded(connection: sa.Connection, collection_id: int, plan_id: int | None) -> None:
    """End the running rollout of a collection whose serving plan is switched in this transaction.

    A rollout that is completed by the switch was moved to its end before.
    """
    r, now = schema.rollouts.c, schema.utc_now()
    reason = f"plan {plan_id or 'default'} was promoted meanwhile"
    statement = schema.rollouts.update().where(r.collection_id == collection_id, r.ended_at.is_(None))
    values = {"stage": Stage.SUPERSEDED.value, "reason": reason, "changed_at": now, "ended_at": now}
    connection.execute(statement.values(**values))


def _record(row: sa.Row[Any]) -> RolloutRecord:
    values = dict(row._mapping)
    return RolloutRecord(**values | {"stage": Stage(values["stage"])})
