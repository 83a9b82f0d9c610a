"""What plans were worth on evaluation sets, run by run: the history that a regression shows in. Runs are only added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.engine import reading, writing
from retrieval.catalog.eval_sets import EvalSetRecord
from retrieval.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class NewEvalRun:
    """A run to be kept. `rights` is equal where two runs saw the same documents; `summary` and `questions` are JSON."""

    principal: str
    rights: str
    plan: dict[str, Any]
    digest: str
    fingerprint: str
    seq: int
    summary: dict[str, Any]
    questions: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class EvalRunRecord:
    """A kept run without its questions."""

    id: int
    at: datetime
    principal: str
    rights: str
    plan: dict[str, Any]
    digest: str
    fingerprint: str
    seq: int
    summary: dict[str, Any]


class EvalRuns:
    """Keeps and reads the runs of evaluation sets."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, eval_set: EvalSetRecord, new: NewEvalRun) -> EvalRunRecord:
        """Keep a run that ended now. Raises `NotFoundError` where its set was deleted meanwhile."""
        values = {
            "eval_set_id": eval_set.id,
            "at": schema.utc_now(),
            "principal": new.principal,
            "rights": new.rights,
            "plan": new.plan,
            "digest": new.digest,
            "fingerprint": new.fingerprint,
            "seq": new.seq,
            "summary": new.summary,
            "questions": list(new.questions),
        }
        try:
            with writing(self._engine) as connection:
                key = connection.execute(schema.eval_runs.insert().values(**values)).inserted_primary_key
        except NotFoundError:
            raise NotFoundError(f"evaluation set {eval_set.name!r} was deleted while it was run") from None
        assert key is not None
        return self.get(eval_set, key[0])

    def get(self, eval_set: EvalSetRecord, number: int) -> EvalRunRecord:
        """One run. Raises `NotFoundError`."""
        query = _records(eval_set).where(schema.eval_runs.c.id == number)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"evaluation set {eval_set.name!r} has no run {number}")
        return EvalRunRecord(*row)

    def page(self, eval_set: EvalSetRecord, limit: int, before: int | None = None) -> list[EvalRunRecord]:
        """Runs, newest first, beginning with those whose number is below `before`."""
        query = _records(eval_set).order_by(schema.eval_runs.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(schema.eval_runs.c.id < before)
        with reading(self._engine) as connection:
            return [EvalRunRecord(*row) for row in connection.execute(query)]

    def former(self, eval_set: EvalSetRecord, rights: str) -> EvalRunRecord | None:
        """The newest run that saw what `rights` stands for; None where there is none."""
        query = _records(eval_set).where(schema.eval_runs.c.rights == rights)
        with reading(self._engine) as connection:
            row = connection.execute(query.order_by(schema.eval_runs.c.id.desc()).limit(1)).one_or_none()
        return None if row is None else EvalRunRecord(*row)

    def questions(self, run: EvalRunRecord) -> list[dict[str, Any]]:
        """The questions of a run as they were kept; none where it was deleted meanwhile."""
        query = sa.select(schema.eval_runs.c.questions).where(schema.eval_runs.c.id == run.id)
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalar_one_or_none() or ())

    def drop(self, eval_set: EvalSetRecord, number: int) -> None:
        """Forget one run. Raises `NotFoundError`."""
        run = self.get(eval_set, number)
        with writing(self._engine) as connection:
            connection.execute(schema.eval_runs.delete().where(schema.eval_runs.c.id == run.id))

    def prune(self, before: datetime) -> int:
        """Forget runs that ended earlier, the newest of each set excepted; how many."""
        r = schema.eval_runs.c
        newest = sa.select(sa.func.max(r.id)).group_by(r.eval_set_id)
        statement = schema.eval_runs.delete().where(r.at < before, r.id.not_in(newest))
        with writing(self._engine) as connection:
            return connection.execute(statement).rowcount


def _records(eval_set: EvalSetRecord) -> sa.Select[Any]:
    r = schema.eval_runs.c
    columns = (r.id, r.at, r.principal, r.rights, r.plan, r.digest, r.fingerprint, r.seq, r.summary)
    return sa.select(*columns).where(r.eval_set_id == eval_set.id)
