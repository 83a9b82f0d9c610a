"""What people did and said: the audit log and feedback on results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing

READ_AT_ONCE = 5_000  # judgements


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One act: who did what to which thing."""

    id: int
    at: datetime
    principal: str
    action: str
    target: str
    detail: dict[str, Any]
    request_id: str


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """One judgement of a result: rating 1 helpful, -1 not."""

    id: int
    at: datetime
    principal: str
    query: str
    document_key: str | None
    rating: int
    comment: str


class Audit:
    """Append-only record of acts; only its oldest end can be cut off."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def record(
        self, principal: str, action: str, target: str, detail: dict[str, Any] | None = None, request_id: str = ""
    ) -> None:
        """Add one act."""
        values = {"principal": principal, "action": action, "target": target, "request_id": request_id}
        with writing(self._engine) as connection:
            statement = schema.audit.insert().values(**values, detail=detail or {}, at=schema.utc_now())
            connection.execute(statement)

    def page(
        self, limit: int = 100, before: int | None = None, *, principal: str = "", action: str = "", target: str = ""
    ) -> list[AuditRecord]:
        """Acts, newest first, older than the id `before`; those texts occur in what they are about, in any case."""
        c = schema.audit.c
        query = sa.select(c.id, c.at, c.principal, c.action, c.target, c.detail, c.request_id)
        query = query if before is None else query.where(c.id < before)
        for column, text in ((c.principal, principal), (c.action, action), (c.target, target)):
            query = query.where(column.icontains(text, autoescape=True)) if text else query
        with reading(self._engine) as connection:
            return [AuditRecord(*row) for row in connection.execute(query.order_by(c.id.desc()).limit(limit))]

    def prune(self, before: datetime) -> int:
        """Forget acts from before that time; how many."""
        with writing(self._engine) as connection:
            return connection.execute(schema.audit.delete().where(schema.audit.c.at < before)).rowcount


class Feedback:
    """What users thought of results."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(
        self, collection: Collection, principal: str, query: str, document_key: str | None, rating: int, comment: str
    ) -> int:
        """Store a judgement; its id."""
        values = {"collection_id": collection.id, "principal": principal, "query": query, "rating": rating}
        with writing(self._engine) as connection:
            statement = schema.feedback.insert().values(
                **values, document_key=document_key, comment=comment, at=schema.utc_now()
            )
            key = connection.execute(statement).inserted_primary_key
        assert key is not None
        return int(key[0])

    def all(self, collection: Collection) -> Iterator[FeedbackRecord]:
        """Every judgement, oldest first; what comes meanwhile may be among them."""
        c = schema.feedback.c
        query = sa.select(c.id, c.at, c.principal, c.query, c.document_key, c.rating, c.comment).limit(READ_AT_ONCE)
        last = 0
        while True:
            asked = query.where(c.collection_id == collection.id, c.id > last).order_by(c.id)
            with reading(self._engine) as connection:
                found = [FeedbackRecord(*row) for row in connection.execute(asked)]
            yield from found
            if len(found) < READ_AT_ONCE:
                return
            last = found[-1].id

    def page(self, collection: Collection, limit: int = 100, before: int | None = None) -> list[FeedbackRecord]:
        """Judgements, newest first, older than the id `before`."""
        c = schema.feedback.c
        query = sa.select(c.id, c.at, c.principal, c.query, c.document_key, c.rating, c.comment)
        query = query.where(c.collection_id == collection.id)
        query = query if before is None else query.where(c.id < before)
        with reading(self._engine) as connection:
            return [FeedbackRecord(*row) for row in connection.execute(query.order_by(c.id.desc()).limit(limit))]
