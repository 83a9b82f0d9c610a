"""Stored evaluation sets: questions with judged documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing
from retrieval.errors import ConflictError, NotFoundError


@dataclass(frozen=True, slots=True)
class EvalSetRecord:
    """One set without its questions."""

    id: int
    name: str
    queries: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EvalQuery:
    """A question; judgements map a document key to its grade, 0 meaning judged and not relevant."""

    id: str
    text: str
    judgements: Mapping[str, int]


class EvalSets:
    """Stores and reads evaluation sets."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(self, collection: Collection, name: str, queries: list[EvalQuery]) -> EvalSetRecord:
        """Store a set. Raises `ConflictError` when the name is taken."""
        try:
            with writing(self._engine) as connection:
                statement = schema.eval_sets.insert().values(
                    collection_id=collection.id, name=name, created_at=schema.utc_now()
                )
                key = connection.execute(statement).inserted_primary_key
                assert key is not None
                rows = [_row(key[0], query) for query in queries]
                if rows:
                    connection.execute(schema.eval_queries.insert(), rows)
        except sa.exc.IntegrityError:
            raise ConflictError(
                f"evaluation set {name!r} exists in collection {collection.name!r}, or it names a question twice"
            ) from None
        return self.get(collection, name)

    def get(self, collection: Collection, name: str) -> EvalSetRecord:
        """One set. Raises `NotFoundError`."""
        for record in self.all(collection):
            if record.name == name:
                return record
        raise NotFoundError(f"evaluation set {name!r} does not exist in collection {collection.name!r}")

    def all(self, collection: Collection) -> list[EvalSetRecord]:
        """Every set by name."""
        s, q = schema.eval_sets.c, schema.eval_queries.c
        count = sa.select(sa.func.count()).where(q.eval_set_id == s.id).scalar_subquery()
        query = sa.select(s.id, s.name, count, s.created_at).where(s.collection_id == collection.id)
        with reading(self._engine) as connection:
            return [EvalSetRecord(*row) for row in connection.execute(query.order_by(s.name))]

    def queries(self, eval_set: EvalSetRecord) -> list[EvalQuery]:
        """The questions of a set by id."""
        q = schema.eval_queries.c
        query = sa.select(q.query_id, q.text, q.judgements).where(q.eval_set_id == eval_set.id).order_by(q.query_id)
        with reading(self._engine) as connection:
            return [EvalQuery(*row) for row in connection.execute(query)]

    def drop(self, collection: Collection, name: str) -> None:
        """Delete a set with its questions. Raises `NotFoundError`."""
        record = self.get(collection, name)
        with writing(self._engine) as connection:
            connection.execute(schema.eval_sets.delete().where(schema.eval_sets.c.id == record.id))


def _row(eval_set_id: int, query: EvalQuery) -> dict[str, object]:
    return {
        "eval_set_id": eval_set_id,
        "query_id": query.id,
        "text": query.text,
        "judgements": dict(query.judgements),
    }
