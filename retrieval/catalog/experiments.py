"""Experiments of the search core: what was asked, every trial in order, what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.batching import older
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing
from retrieval.errors import NotFoundError


class ExperimentState(StrEnum):
    """Where an experiment stands."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"  # by a person, or with its process; it can be resumed
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """One experiment without its trials; `trials` is how many there are."""

    id: str
    collection_id: int
    state: ExperimentState
    request: dict[str, Any]
    result: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None
    trials: int


class Experiments:
    """Stores and reads experiments."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(self, collection: Collection, request: Mapping[str, Any]) -> ExperimentRecord:
        """A new experiment, which runs."""
        key = uuid.uuid4().hex[:16]
        values = {
            "id": key,
            "collection_id": collection.id,
            "state": ExperimentState.RUNNING.value,
            "request": dict(request),
            "created_at": schema.utc_now(),
        }
        with writing(self._engine) as connection:
            connection.execute(schema.experiments.insert().values(**values))
        return self.get(collection, key)

    def get(self, collection: Collection, experiment_id: str) -> ExperimentRecord:
        """One experiment. Raises `NotFoundError`."""
        e = schema.experiments.c
        with reading(self._engine) as connection:
            query = _records().where(e.collection_id == collection.id, e.id == experiment_id)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"experiment {experiment_id!r} does not exist in collection {collection.name!r}")
        return _record(row)

    def all(self, collection: Collection) -> list[ExperimentRecord]:
        """Every experiment, newest first."""
        e = schema.experiments.c
        query = _records().where(e.collection_id == collection.id).order_by(e.created_at.desc(), e.id)
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query)]

    def page(
        self, collection: Collection, limit: int, after: tuple[datetime, str] | None = None
    ) -> list[ExperimentRecord]:
        """Up to `limit` experiments as in `all`, following the one created at that time under that id."""
        e = schema.experiments.c
        query = _records().where(e.collection_id == collection.id).order_by(e.created_at.desc(), e.id).limit(limit)
        if after is not None:
            query = query.where(older(e.created_at, e.id, after))
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query)]

    def append(self, experiment_id: str, number: int, body: Mapping[str, Any]) -> None:
        """Add one trial; numbers rise from 1. A number that is there already stays as it is.

        Raises `NotFoundError` where the experiment went with its collection.
        """
        t = schema.trials.c
        try:
            with writing(self._engine) as connection:
                known = sa.select(t.number).where(t.experiment_id == experiment_id, t.number == number)
                if connection.execute(known).one_or_none() is None:
                    row = {"experiment_id": experiment_id, "number": number, "body": dict(body)}
                    connection.execute(schema.trials.insert().values(**row))
        except NotFoundError as error:
            raise NotFoundError(
                f"experiment {experiment_id!r} is gone: its collection was dropped while it ran"
            ) from error

    def forget(self, experiment_id: str, first: int) -> None:
        """Drop the trials from that number on: a run that goes on takes another way from there."""
        t = schema.trials.c
        with writing(self._engine) as connection:
            gone = schema.trials.delete().where(t.experiment_id == experiment_id, t.number >= first)
            connection.execute(gone)

    def trials(self, experiment_id: str, *, after: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """The bodies of the trials with their numbers, in order, beginning after the number `after`."""
        t = schema.trials.c
        query = sa.select(t.number, t.body).where(t.experiment_id == experiment_id, t.number > after)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(t.number).limit(limit))
            return [{"number": row.number} | row.body for row in rows]

    def best(self, experiment_id: str) -> float | None:
        """The highest mean on all working questions so far; None before the first."""
        t = schema.trials.c
        query = sa.select(sa.func.max(t.body["whole"].as_float())).where(t.experiment_id == experiment_id)
        with reading(self._engine) as connection:
            best: float | None = connection.execute(query).scalar_one()
            return best

    def note(self, experiment_id: str, about: Mapping[str, Any]) -> None:
        """Keep more with what was asked, as it is known once the run has begun."""
        e = schema.experiments.c
        with writing(self._engine) as connection:
            asked = connection.execute(sa.select(e.request).where(e.id == experiment_id)).scalar_one_or_none() or {}
            values = {"request": asked | dict(about)}
            connection.execute(schema.experiments.update().where(e.id == experiment_id).values(**values))

    def resume(self, experiment_id: str) -> None:
        """Say that it runs again."""
        self._settle(experiment_id, ExperimentState.RUNNING, None)

    def finish(self, experiment_id: str, state: ExperimentState, result: Mapping[str, Any] | None) -> None:
        """Say how it ended."""
        self._settle(experiment_id, state, result)

    def _settle(self, experiment_id: str, state: ExperimentState, result: Mapping[str, Any] | None) -> None:
        e = schema.experiments.c
        ended = None if state is ExperimentState.RUNNING else schema.utc_now()
        values = {"state": state.value, "result": None if result is None else dict(result), "finished_at": ended}
        with writing(self._engine) as connection:
            connection.execute(schema.experiments.update().where(e.id == experiment_id).values(**values))


def _records() -> sa.Select[Any]:
    e, t = schema.experiments.c, schema.trials.c
    count = sa.select(sa.func.count()).where(t.experiment_id == e.id).scalar_subquery()
    return sa.select(
        e.id, e.collection_id, e.state, e.request, e.result, e.created_at, e.finished_at, count.label("trials")
    )


def _record(row: sa.Row[Any]) -> ExperimentRecord:
    return ExperimentRecord(
        row.id,
        row.collection_id,
        ExperimentState(row.state),
        row.request,
        row.result,
        row.created_at,
        row.finished_at,
        row.trials,
    )
