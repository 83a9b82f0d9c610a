"""Deletes what the catalog no longer needs: old operations, and embeddings of passages that no chunk has.

Both in small transactions, while commits go on. A view that is older than the oldest operation builds itself again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.batching import in_parts
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing

OPERATIONS_PER_DELETION = 5_000  # so that nobody waits long for the transaction
EMBEDDINGS_PER_DELETION = 2_000

_NEWEST_GENERATION = sa.select(sa.func.coalesce(sa.func.max(schema.generations.c.id), 0))


class Pruning:
    """Prunes one catalog."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def operations(self, collection: Collection, before: datetime) -> int:
        """Delete up to `OPERATIONS_PER_DELETION` operations from before that moment, oldest first; how many.

        The newest one stays: views that have come so far recognise their catalog by it.
        """
        c, o = schema.collections.c, schema.operations.c
        newest = sa.select(c.last_seq).where(c.id == collection.id).scalar_subquery()
        with writing(self._engine) as connection:
            old = sa.select(o.seq).where(o.collection_id == collection.id, o.at < before, o.seq < newest)
            last = connection.execute(
                sa.select(sa.func.max(old.order_by(o.seq).limit(OPERATIONS_PER_DELETION).subquery().c.seq))
            ).scalar_one_or_none()
            if last is None:
                return 0
            gone = schema.operations.delete().where(o.collection_id == collection.id, o.seq <= last)
            return connection.execute(gone).rowcount

    def fingerprints(self) -> list[str]:
        """The encoders that anything is embedded by."""
        with reading(self._engine) as connection:
            return sorted(connection.execute(sa.select(schema.embeddings.c.fingerprint).distinct()).scalars())

    def embeddings(self, fingerprint: str) -> int:
        """Delete the embeddings of that encoder that no chunk of an active generation needs; how many.

        A commit under way may count on one of them: it was prepared for an epoch that is over then, and is prepared
        again. Chunks that came since the unused were listed are looked at once more before anything is deleted.
        """
        seen, newest, unused = self._unused(fingerprint)
        deleted = 0
        for part in in_parts(sorted(unused), EMBEDDINGS_PER_DELETION):
            deleted += self._delete(fingerprint, part, seen, newest)
        return deleted

    def _unused(self, fingerprint: str) -> tuple[dict[int, int], int, set[str]]:
        """The newest label of each collection, the newest generation, and hashes that no chunk up to there needs."""
        c, e = schema.collections.c, schema.embeddings.c
        with reading(self._engine) as connection:
            # Labels first: a chunk that is committed between the two statements is looked at again, not missed.
            newest = connection.execute(_NEWEST_GENERATION).scalar_one()
            labels = {row.id: row.last_label for row in connection.execute(sa.select(c.id, c.last_label))}
            needed = _needed(fingerprint).subquery()
            query = sa.select(e.text_hash).where(
                e.fingerprint == fingerprint, e.text_hash.not_in(sa.select(needed.c.text_hash))
            )
            return labels, newest, set(connection.execute(query).scalars())

    def _delete(self, fingerprint: str, hashes: Sequence[str], seen: dict[int, int], newest: int) -> int:
        c, e = schema.collections.c, schema.embeddings.c
        with writing(self._engine) as connection:
            # Holds every collection: what is being committed is visible below, what comes later is prepared again.
            connection.execute(schema.collections.update().values(epoch=c.epoch + 1))
            if connection.execute(_NEWEST_GENERATION).scalar_one() != newest:
                return 0  # one was begun that may need them; the next pruning sees it
            newer = sa.or_(*(_newer(number, label) for number, label in seen.items()), _of_others(seen))
            recent = set(connection.execute(sa.select(schema.chunks.c.text_hash).where(newer)).scalars())
            gone = [one for one in hashes if one not in recent]
            return sum(
                connection.execute(
                    schema.embeddings.delete().where(e.fingerprint == fingerprint, e.text_hash.in_(part))
                ).rowcount
                for part in in_parts(gone)
            )


def _needed(fingerprint: str) -> sa.Select[tuple[str]]:
    c, g = schema.chunks.c, schema.generations.c
    mine = (g.collection_id == c.collection_id) & (g.chunking == c.chunking)
    active = (g.fingerprint == fingerprint, g.retired_at.is_(None))
    return sa.select(c.text_hash).join_from(schema.chunks, schema.generations, mine).where(*active)


def _newer(collection_id: int, label: int) -> sa.ColumnElement[bool]:
    c = schema.chunks.c
    return (c.collection_id == collection_id) & (c.label > label)


def _of_others(seen: dict[int, int]) -> sa.ColumnElement[bool]:
    return schema.chunks.c.collection_id.not_in(list(seen))
