"""Chunks for a generation that cuts otherwise: added to documents that the catalog holds already, in small batches.

A document that changed since it was read is left for the next look: whoever changed it has cut it for this generation
too, or left its text as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing
from retrieval.types import Block, Chunk, Document, text_hash

CHUNKS_PER_DELETION = 2_000  # so that nobody waits long for the transaction


@dataclass(frozen=True, slots=True)
class Uncut:
    """A living document without chunks of the generation's chunking, as it was when it was read."""

    number: int
    version: int
    document: Document


class Recutting:
    """Finds documents that lack chunks of a generation and stores them."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def uncut(self, collection: Collection, limit: int, after: int = 0) -> list[Uncut]:
        """Up to `limit` documents without such chunks, by number, beginning after that one."""
        d, t = schema.documents, schema.document_texts
        with reading(self._engine) as connection:
            query = (
                sa.select(d.c.number, d.c.version, d.c.key, d.c.title, d.c.language, t.c.text, t.c.outline)
                .join_from(d, t, (t.c.collection_id == d.c.collection_id) & (t.c.number == d.c.number))
                .where(*_lacking(collection), d.c.number > after)
                .order_by(d.c.number)
                .limit(limit)
            )
            return [_uncut(row) for row in connection.execute(query)]

    def count(self, collection: Collection) -> int:
        """How many documents have no such chunks; one without any text never has."""
        with reading(self._engine) as connection:
            return connection.execute(sa.select(sa.func.count()).where(*_lacking(collection))).scalar_one()

    def count_lost(self, one: Collection, other: Collection) -> int:
        """How many living documents have chunks in the one generation and none in the other."""
        query = sa.select(sa.func.count()).where(*_lacking(other), _cut(one))
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one()

    def store(self, collection: Collection, cuts: Sequence[tuple[Uncut, Sequence[Chunk]]]) -> int:
        """Add the chunks of documents that are still as they were read; how many documents were not."""
        c, d = schema.collections.c, schema.documents.c
        with writing(self._engine) as connection:
            held = sa.select(c.last_label).where(c.id == collection.id).with_for_update()
            label = connection.execute(held).scalar_one()
            numbers = [one.number for one, _ in cuts]
            unchanged = sa.select(d.number, d.version).where(*_lacking(collection), d.number.in_(numbers))
            versions = {row.number: row.version for row in connection.execute(unchanged)}
            rows: list[dict[str, Any]] = []
            skipped = 0
            for one, chunks in cuts:
                if versions.get(one.number) != one.version:
                    skipped += 1
                    continue
                rows += [_row(collection, one, chunk, label + n) for n, chunk in enumerate(chunks, 1)]
                label += len(chunks)
            if rows:
                connection.execute(schema.chunks.insert(), rows)
                connection.execute(schema.collections.update().where(c.id == collection.id).values(last_label=label))
        return skipped

    def drop_retired(self, collection: Collection) -> int:
        """Delete up to `CHUNKS_PER_DELETION` chunks that belong to retired generations only; how many there were."""
        c, g = schema.chunks.c, schema.generations.c
        kept = sa.select(g.chunking).where(g.collection_id == collection.id, g.retired_at.is_(None))
        gone = sa.select(c.label).where(c.collection_id == collection.id, c.chunking.not_in(kept))
        part = gone.limit(CHUNKS_PER_DELETION)
        with writing(self._engine) as connection:
            dropped = schema.chunks.delete().where(c.collection_id == collection.id, c.label.in_(part))
            return connection.execute(dropped).rowcount


def _lacking(collection: Collection) -> tuple[sa.ColumnElement[bool], ...]:
    d = schema.documents.c
    return d.collection_id == collection.id, d.deleted.is_(False), ~_cut(collection)


def _cut(collection: Collection) -> sa.Exists:
    c, d = schema.chunks.c, schema.documents.c
    mine = (c.collection_id == d.collection_id, c.document == d.number, c.chunking == collection.chunking)
    return sa.exists().where(*mine)


def _row(collection: Collection, one: Uncut, chunk: Chunk, label: int) -> dict[str, Any]:
    return {
        "collection_id": collection.id,
        "label": label,
        "document": one.number,
        "chunking": collection.chunking,
        "ordinal": chunk.ordinal,
        "start": chunk.start,
        "end": chunk.end,
        "page": chunk.page,
        "heading": chunk.heading,
        "text_hash": text_hash(chunk.passage(one.document.title)),
        "text": chunk.text,
    }


def _uncut(row: Any) -> Uncut:
    outline = tuple(Block.from_row(block) for block in row.outline)
    document = Document(row.key, row.text, row.title, language=row.language, outline=outline)
    return Uncut(row.number, row.version, document)
