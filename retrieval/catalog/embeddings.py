"""Stored embeddings, addressed by (encoder fingerprint, text hash)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.batching import in_parts
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, reading_once, writing
from retrieval.catalog.upsert import insert
from retrieval.types import Vector, passage_text, text_hash

PASSAGES_PER_BATCH = 1_000


class Embeddings:
    """Tells which embeddings are missing and stores them outside of a document commit (for a new encoder)."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def missing(self, fingerprint: str, hashes: Iterable[str]) -> set[str]:
        """Those of `hashes` that this encoder has not embedded yet."""
        wanted = set(hashes)
        with reading_once(self._engine) as connection:
            for part in in_parts(sorted(wanted)):
                asked = {"by": fingerprint, "hashes": part}
                wanted.difference_update(connection.execute(_having(), asked).scalars())
        return wanted

    def missing_passages(self, collection: Collection) -> Iterator[dict[str, str]]:
        """Passages that the generation's encoder has not embedded, in batches of text hash -> passage."""
        c, d, e = schema.chunks.c, schema.documents.c, schema.embeddings.c
        have = sa.exists().where(e.fingerprint == collection.encoder_fingerprint, e.text_hash == c.text_hash)
        joined = schema.chunks.join(schema.documents, (d.collection_id == c.collection_id) & (d.number == c.document))
        query = (
            sa.select(c.label, d.title, c.heading, c.text)
            .select_from(joined)
            .where(c.collection_id == collection.id, c.chunking == collection.chunking, ~have)
            .order_by(c.label)
            .limit(PASSAGES_PER_BATCH)
        )
        after = 0
        while True:
            with reading(self._engine) as connection:
                rows = connection.execute(query.where(c.label > after)).all()
            if not rows:
                return
            passages = (passage_text(row.title, row.heading, row.text) for row in rows)
            yield {text_hash(passage): passage for passage in passages}
            after = rows[-1].label

    def count_missing(self, collection: Collection) -> int:
        """How many chunks of the collection's generation its encoder has not embedded."""
        c, e = schema.chunks.c, schema.embeddings.c
        have = sa.exists().where(e.fingerprint == collection.encoder_fingerprint, e.text_hash == c.text_hash)
        mine = (c.collection_id == collection.id, c.chunking == collection.chunking)
        with reading(self._engine) as connection:
            return connection.execute(sa.select(sa.func.count()).where(*mine, ~have)).scalar_one()

    def forget(self, fingerprint: str, hashes: Iterable[str]) -> None:
        """Drop embeddings that are not to be trusted; they are missing then, and made again."""
        e = schema.embeddings.c
        with writing(self._engine) as connection:
            for part in in_parts(sorted(set(hashes))):
                gone = schema.embeddings.delete().where(e.fingerprint == fingerprint, e.text_hash.in_(part))
                connection.execute(gone)

    def store(self, fingerprint: str, vectors: Mapping[str, Vector]) -> None:
        """Add embeddings; those that are there already stay."""
        with writing(self._engine) as connection:
            write_vectors(connection, fingerprint, vectors)


def load_vectors(connection: sa.Connection, fingerprint: str, hashes: set[str]) -> dict[str, Vector]:
    """The stored embeddings of these texts; texts without one are absent."""
    found: dict[str, Vector] = {}
    for part in in_parts(sorted(hashes)):
        for key, blob in connection.execute(_vectors(), {"by": fingerprint, "hashes": part}):
            found[key] = np.frombuffer(blob, dtype="<f4")
    return found


@cache  # made once: every commit and every view runs them
def _having() -> sa.Select[Any]:
    e = schema.embeddings.c
    return _embedded(sa.select(e.text_hash))


@cache
def _vectors() -> sa.Select[Any]:
    e = schema.embeddings.c
    return _embedded(sa.select(e.text_hash, e.vector))


def _embedded(query: sa.Select[Any]) -> sa.Select[Any]:
    e = schema.embeddings.c
    return query.where(e.fingerprint == sa.bindparam("by"), e.text_hash.in_(sa.bindparam("hashes", expanding=True)))


def write_vectors(connection: sa.Connection, fingerprint: str, vectors: Mapping[str, Vector]) -> None:
    """Add embeddings within a transaction; those that are there already stay."""
    rows = [
        {"fingerprint": fingerprint, "text_hash": key, "vector": np.asarray(vector, "<f4").tobytes()}
        for key, vector in vectors.items()
    ]
    if rows:
        connection.execute(insert(connection, schema.embeddings).on_conflict_do_nothing(), rows)
