"""When what stands in the operation log was committed, at its source and here; for whoever measures freshness."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.engine import reading

LOOKED_AT = 5_000  # operations


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document that an operation wrote or removed, as that operation left it."""

    seq: int
    key: str
    source: str
    position: str | None  # in its source, encoded
    committed_at: datetime | None  # at its source, where that says
    cataloged_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A document as its newest operation left it."""

    seq: int
    key: str
    title: str
    source: str
    version: int
    deleted: bool
    committed_at: datetime | None  # at its source, where that says
    cataloged_at: datetime


class Arrivals:
    """Reads the arrivals of one catalog."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def between(self, collection_id: int, after: int, last: int) -> list[Arrival]:
        """Those of the operations over `after` up to `last`, in order.

        An operation whose document was written again since, or that tells of a change around it, is left out.
        """
        o, d = schema.operations.c, schema.documents.c
        joined = schema.operations.join(
            schema.documents, (d.collection_id == o.collection_id) & (d.number == o.document) & (d.seq == o.seq)
        )
        query = (
            sa.select(o.seq, d.key, d.source, d.position, d.committed_at, o.at)
            .select_from(joined)
            .where(o.collection_id == collection_id, o.seq > after, o.seq <= last, d.cataloged_at == o.at)
            .order_by(o.seq)
        )
        with reading(self._engine) as connection:
            return [Arrival(*row) for row in connection.execute(query)]

    def newest(self, collection_id: int, source: str | None = None, limit: int = 20) -> list[Change]:
        """What came last, newest first, among the last `LOOKED_AT` operations; for those whom no ACL binds."""
        o, d, c = schema.operations.c, schema.documents.c, schema.collections.c
        joined = schema.operations.join(
            schema.documents, (d.collection_id == o.collection_id) & (d.number == o.document) & (d.seq == o.seq)
        )
        last = sa.select(c.last_seq).where(c.id == collection_id).scalar_subquery()
        query = (
            sa.select(o.seq, d.key, d.title, d.source, d.version, d.deleted, d.committed_at, d.cataloged_at)
            .select_from(joined)
            .where(o.collection_id == collection_id, o.seq > last - LOOKED_AT)
            .order_by(o.seq.desc())
            .limit(limit)
        )
        query = query if source is None else query.where(d.source == source)
        with reading(self._engine) as connection:
            return [Change(*row) for row in connection.execute(query)]
