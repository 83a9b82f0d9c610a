"""Stored evaluation sets: questions with judged documents, with right answers, or with both."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing
from retrieval.catalog.upsert import insert
from retrieval.errors import ConflictError, InvalidInputError, NotFoundError

ID_DIGITS = 10  # of a question's id; more where two questions begin alike


@dataclass(frozen=True, slots=True)
class EvalSetRecord:
    """One set without its questions."""

    id: int
    name: str
    queries: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EvalQuery:
    """A question; judgements map a document key to its grade, 0 meaning judged and not relevant.

    `answers` are right ones, each by itself; (): it has none and is to be refused; None: they are not known.
    """

    id: str
    text: str
    judgements: Mapping[str, int]
    answers: tuple[str, ...] | None = None


def words_of(text: str) -> str:
    """What a question asks, without its spelling in capitals and spaces."""
    return " ".join(text.casefold().split())


class EvalSets:
    """Stores and reads evaluation sets."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(self, collection: Collection, name: str, queries: list[EvalQuery]) -> EvalSetRecord:
        """Store a set. Raises `InvalidInputError` for a question named twice, `ConflictError` for a name in use."""
        counts = Counter(query.id for query in queries)
        if twice := next((question for question, count in counts.items() if count > 1), None):
            raise InvalidInputError(
                f"evaluation set {name!r} names question {twice!r} {counts[twice]} times; give each an id of its own"
            )
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
                f"evaluation set {name!r} exists in collection {collection.name!r} already; choose another name, or "
                "delete that one before"
            ) from None
        return self.get(collection, name)

    def get(self, collection: Collection, name: str) -> EvalSetRecord:
        """One set. Raises `NotFoundError`."""
        for record in self.all(collection):
            if record.name == name:
                return record
        raise NotFoundError(f"evaluation set {name!r} does not exist in collection {collection.name!r}")

    def all(self, collection: Collection) -> list[EvalSetRecord]:
        """Every set by name, whatever order the database's language has."""
        s, q = schema.eval_sets.c, schema.eval_queries.c
        count = sa.select(sa.func.count()).where(q.eval_set_id == s.id).scalar_subquery()
        query = sa.select(s.id, s.name, count, s.created_at).where(s.collection_id == collection.id)
        with reading(self._engine) as connection:
            return sorted((EvalSetRecord(*row) for row in connection.execute(query)), key=lambda one: one.name)

    def queries(self, eval_set: EvalSetRecord) -> list[EvalQuery]:
        """The questions of a set by id."""
        q = schema.eval_queries.c
        query = sa.select(q.query_id, q.text, q.judgements, q.answers).where(q.eval_set_id == eval_set.id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(q.query_id))
            return [EvalQuery(*row[:3], _answers(row.answers)) for row in rows]

    def judged(self, eval_set: EvalSetRecord) -> list[EvalQuery]:
        """Those of its questions that say which documents are relevant, by id: what a search is measured by."""
        return [query for query in self.queries(eval_set) if query.judgements]

    def judge(
        self,
        collection: Collection,
        name: str,
        text: str,
        judgements: Mapping[str, int],
        answers: Sequence[str] | None = None,
    ) -> EvalQuery:
        """Add a question to a set, which is made where it is new; one of the same text gains judgements and answers.

        What was judged before keeps its grade unless it is judged again; no answers at all say that it has none. Two
        people may judge at once.
        """
        q = schema.eval_queries.c
        with writing(self._engine) as connection:
            number = _open_set(connection, collection, name)
            columns = (q.query_id, q.judgements, q.answers)
            query = sa.select(*columns).where(q.eval_set_id == number, q.text == text)
            known = connection.execute(query.order_by(q.query_id).limit(1)).one_or_none()
            if known is None:
                taken = set(connection.execute(sa.select(q.query_id).where(q.eval_set_id == number)).scalars())
                stored = EvalQuery(_free_id(text, taken), text, dict(judgements), _answers(answers))
                connection.execute(schema.eval_queries.insert().values(**_row(number, stored)))
                return stored
            right = _answers(known.answers)
            if answers is not None:
                right = _answers([*(known.answers or ()), *answers] if answers else [])
            stored = EvalQuery(known.query_id, text, known.judgements | dict(judgements), right)
            changed = schema.eval_queries.update().where(q.eval_set_id == number, q.query_id == stored.id)
            connection.execute(changed.values(judgements=stored.judgements, answers=_listed(right)))
            return stored

    def drop(self, collection: Collection, name: str) -> None:
        """Delete a set with its questions. Raises `NotFoundError`."""
        record = self.get(collection, name)
        with writing(self._engine) as connection:
            connection.execute(schema.eval_sets.delete().where(schema.eval_sets.c.id == record.id))


def _open_set(connection: sa.Connection, collection: Collection, name: str) -> int:
    """The number of the set of that name, made where it is new, and nobody else's until the transaction ends."""
    s = schema.eval_sets.c
    row = {"collection_id": collection.id, "name": name, "created_at": schema.utc_now()}
    connection.execute(insert(connection, schema.eval_sets).on_conflict_do_nothing(), [row])
    query = sa.select(s.id).where(s.collection_id == collection.id, s.name == name).with_for_update()
    return int(connection.execute(query).scalar_one())


def _free_id(text: str, taken: set[str]) -> str:
    """An id made of the question, so that the same question has the same id in every set."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return next(one for length in range(ID_DIGITS, len(digest) + 1) if (one := f"q-{digest[:length]}") not in taken)


def _row(eval_set_id: int, query: EvalQuery) -> dict[str, object]:
    return {
        "eval_set_id": eval_set_id,
        "query_id": query.id,
        "text": query.text,
        "judgements": dict(query.judgements),
        "answers": _listed(query.answers),
    }


def _answers(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(dict.fromkeys(values))


def _listed(answers: tuple[str, ...] | None) -> list[str] | None:
    return None if answers is None else list(answers)
