"""Stored plans and the one pointer that says which of them serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing
from retrieval.catalog.rollouts import RolloutRecord, Stage, end_superseded, moved, serving_plan
from retrieval.errors import ConflictError, NotFoundError

ANY: Final = -1  # no plan's number: whichever serves may be replaced


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """One stored plan; `body` is `retrieval.plan.Plan.to_json()`."""

    id: int
    name: str
    body: dict[str, Any]
    digest: str
    origin: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PlanSwitch:
    """One move of the pointer; None is the default plan."""

    plan_id: int | None
    previous_id: int | None
    by: str
    reason: str
    at: datetime


class Plans:
    """Stores plans, promotes one, rolls back."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, collection: Collection, name: str, body: dict[str, Any], digest: str, origin: str) -> PlanRecord:
        """Store a plan; it does not serve yet."""
        values = {"collection_id": collection.id, "name": name, "body": body, "digest": digest, "origin": origin}
        with writing(self._engine) as connection:
            statement = schema.plans.insert().values(**values, created_at=schema.utc_now())
            key = connection.execute(statement).inserted_primary_key
        assert key is not None
        return self.get(collection, key[0])

    def get(self, collection: Collection, plan_id: int) -> PlanRecord:
        """One plan. Raises `NotFoundError`."""
        for plan in self.all(collection):
            if plan.id == plan_id:
                return plan
        raise NotFoundError(f"plan {plan_id} does not exist in collection {collection.name!r}")

    def all(self, collection: Collection) -> list[PlanRecord]:
        """Every stored plan, oldest first."""
        c = schema.plans.c
        query = sa.select(c.id, c.name, c.body, c.digest, c.origin, c.created_at)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(c.collection_id == collection.id).order_by(c.id))
            return [PlanRecord(*row) for row in rows]

    def promote(
        self, collection: Collection, plan_id: int | None, by: str, reason: str, *, seen: int | None = ANY
    ) -> None:
        """Let this plan serve from now on; None is the built-in default. Raises `NotFoundError`.

        One that serves already is no switch: a request that is repeated leaves the way back as it is. Raises
        `ConflictError` where another generation serves than the record says, or another plan than `seen`.
        """
        if plan_id is not None:
            self.get(collection, plan_id)
        with writing(self._engine) as connection:
            self._switch(connection, collection, plan_id, by, reason, seen)

    def complete(self, collection: Collection, rollout: RolloutRecord, by: str, reason: str) -> bool:
        """Let a rollout's plan serve all; False where the rollout was moved by another meanwhile."""
        with writing(self._engine) as connection:
            is_ours = moved(connection, rollout, Stage.FULL, 1.0, reason)
            if is_ours:
                self._switch(connection, collection, rollout.plan_id, by, reason)
        return is_ours

    def take_back(self, collection: Collection, rollout: RolloutRecord, by: str, reason: str) -> None:
        """Return from a completed rollout's plan to the one before, and say that it was stopped.

        Raises `ConflictError` where the pointer was moved since, by whomever: a rollback is wanted then.
        """
        with writing(self._engine) as connection:
            serving_plan(connection, collection.id, locked=True)
            last = _last_switch(connection, collection.id)
            is_its = last is not None and (last.plan_id, last.previous_id) == (rollout.plan_id, rollout.previous_id)
            its_end = rollout.ended_at
            if last is None or not is_its or its_end is None or last.at < its_end:
                raise ConflictError(
                    f"rollout {rollout.id} of collection {collection.name!r} reached everybody, and plans were "
                    "promoted since; roll back instead (`kb plans roll-back`)"
                )
            if not moved(connection, rollout, Stage.STOPPED, 0.0, reason):
                raise ConflictError(f"rollout {rollout.id} was moved at the same moment; look at it again")
            self._switch(connection, collection, rollout.previous_id, by, reason)

    def roll_back(self, collection: Collection, by: str, reason: str, *, seen: int | None = ANY) -> int | None:
        """Return to the plan that served before; its id, None being the default. Raises `ConflictError` as `promote`.

        It does so as well where no plan was ever promoted.
        """
        with writing(self._engine) as connection:
            serving_plan(connection, collection.id, locked=True)
            last = _last_switch(connection, collection.id)
            if last is None:
                raise ConflictError(
                    f"no plan was ever promoted in collection {collection.name!r}: nothing to roll back"
                )
            self._switch(connection, collection, last.previous_id, by, reason, seen)
        return last.previous_id

    def last_switch(self, collection: Collection) -> PlanSwitch | None:
        """The newest move of the pointer, whose `previous_id` a rollback returns to; None: it was never moved."""
        with reading(self._engine) as connection:
            return _last_switch(connection, collection.id)

    def came_back(self, collection: Collection) -> PlanSwitch | None:
        """The newest move of the pointer where it undid the one before it; None where it did not."""
        with reading(self._engine) as connection:
            last, before = [*_switches(connection, collection.id, 2), None, None][:2]
        if last is None or before is None:
            return None
        return last if (last.plan_id, last.previous_id) == (before.previous_id, before.plan_id) else None

    def within_reach(self, collection: Collection) -> dict[int | None, str]:
        """Plans that serve or may serve at any moment, with the reason: what they name must stay. None: the default."""
        r = schema.rollouts.c
        found: dict[int | None, str] = {}
        with reading(self._engine) as connection:
            newest = sa.select(r.plan_id, r.previous_id, r.ended_at).where(r.collection_id == collection.id)
            rollout = connection.execute(newest.order_by(r.id.desc()).limit(1)).one_or_none()
            if rollout is not None:
                found[rollout.previous_id] = "the newest rollout may return to it"
                if rollout.ended_at is None:
                    found[rollout.plan_id] = "it is being rolled out"
            if (last := _last_switch(connection, collection.id)) is not None:
                found[last.previous_id] = "it is one rollback away"
            found[serving_plan(connection, collection.id)] = "it serves"
        return found

    def _switch(
        self,
        connection: sa.Connection,
        collection: Collection,
        plan_id: int | None,
        by: str,
        why: str,
        seen: int | None = ANY,
    ) -> None:
        c = schema.collections.c
        previous = serving_plan(connection, collection.id, locked=True)
        if plan_id == previous:
            return
        if seen not in (ANY, previous):
            raise ConflictError(
                f"plan {previous or 'default'} serves collection {collection.name!r} by now, not {seen or 'default'}; "
                "look at it again"
            )
        generation = connection.execute(sa.select(c.generation_id).where(c.id == collection.id)).scalar_one()
        if generation != collection.generation:
            raise ConflictError(
                f"generation {generation} of collection {collection.name!r} took over meanwhile; whether the plan fits "
                "it has to be looked at again: repeat this"
            )
        connection.execute(schema.collections.update().where(c.id == collection.id).values(plan_id=plan_id))
        end_superseded(connection, collection.id, plan_id)
        connection.execute(
            schema.plan_switches.insert().values(
                collection_id=collection.id,
                plan_id=plan_id,
                previous_id=previous,
                by=by,
                reason=why,
                at=schema.utc_now(),
            )
        )


def _last_switch(connection: sa.Connection, collection_id: int) -> PlanSwitch | None:
    return next(iter(_switches(connection, collection_id, 1)), None)


def _switches(connection: sa.Connection, collection_id: int, limit: int) -> list[PlanSwitch]:
    """The newest moves of the pointer, newest first."""
    c = schema.plan_switches.c
    query = sa.select(c.plan_id, c.previous_id, c.by, c.reason, c.at).where(c.collection_id == collection_id)
    moves = query.where(c.plan_id.is_distinct_from(c.previous_id))  # former versions noted others too
    return [PlanSwitch(*row) for row in connection.execute(moves.order_by(c.id.desc()).limit(limit))]
