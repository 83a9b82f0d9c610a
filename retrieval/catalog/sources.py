"""Registered sources, how far each was read, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing
from retrieval.catalog.rows import SourceRows
from retrieval.catalog.upsert import insert
from retrieval.errors import ConflictError, NotFoundError


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One registered source; `cursor` is how far it was read."""

    id: int
    name: str
    kind: str
    config: dict[str, Any]
    cursor: str | None
    state: str  # active, paused, deleting
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """An input that could not become a document."""

    id: int
    source: str
    key: str
    reason: str
    remedy: str
    position: str | None
    payload: bytes | None
    topic: str | None
    partition: int | None
    offset: int | None
    message_key: bytes | None
    at: datetime


class Sources:
    """Registers sources and keeps their dead letters."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def register(self, collection: Collection, name: str, kind: str) -> SourceRecord:
        """The source of that name, made when it is new. Raises `ConflictError` when it is of another kind."""
        with writing(self._engine) as connection:
            values = {"collection_id": collection.id, "name": name, "kind": kind, "config": {}}
            statement = insert(connection, schema.sources).values(**values, updated_at=schema.utc_now())
            connection.execute(statement.on_conflict_do_nothing())
        found = self.get(collection, name)
        if found.kind != kind:
            raise ConflictError(
                f"source {name!r} of collection {collection.name!r} is of kind {found.kind!r}, not {kind!r}; "
                "choose another source name"
            )
        return found

    def rows(self, source: SourceRecord) -> SourceRows:
        """The stored rows of a source, for rendering joined documents again."""
        return SourceRows(self._engine, source.id)

    def all(self, collection: Collection) -> list[SourceRecord]:
        """All sources of a collection by name."""
        query = sa.select(schema.sources).where(schema.sources.c.collection_id == collection.id)
        with reading(self._engine) as connection:
            return [_source(row) for row in connection.execute(query.order_by(schema.sources.c.name))]

    def get(self, collection: Collection, name: str) -> SourceRecord:
        """One source. Raises `NotFoundError`."""
        for source in self.all(collection):
            if source.name == name:
                return source
        raise NotFoundError(f"source {name!r} does not exist in collection {collection.name!r}")

    def dead_letters(self, collection: Collection, limit: int = 100, after: int = 0) -> list[DeadLetterRecord]:
        """Dead letters in the order they came, beginning after the id `after`."""
        c = schema.dead_letters.c
        query = (
            sa.select(
                c.id,
                c.source,
                c.key,
                c.reason,
                c.remedy,
                c.position,
                c.payload,
                c.topic,
                c.partition,
                c.offset,
                c.message_key,
                c.at,
            )
            .where(c.collection_id == collection.id, c.id > after)
            .order_by(c.id)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [DeadLetterRecord(**row._mapping) for row in connection.execute(query)]

    def drop_dead_letter(self, collection: Collection, letter_id: int) -> None:
        """Forget one dead letter. Raises `NotFoundError`."""
        c = schema.dead_letters.c
        with writing(self._engine) as connection:
            statement = schema.dead_letters.delete().where(c.collection_id == collection.id, c.id == letter_id)
            if connection.execute(statement).rowcount != 1:
                raise NotFoundError(f"dead letter {letter_id} does not exist in collection {collection.name!r}")

    def settle_dead_letters(self, collection: Collection, source: str, keys: set[str]) -> None:
        """Forget the dead letters of inputs that have succeeded since."""
        c = schema.dead_letters.c
        mine = (c.collection_id == collection.id) & (c.source == source)
        with reading(self._engine) as connection:
            open_keys = set(connection.execute(sa.select(c.key).where(mine)).scalars()) & keys
        for key in open_keys:
            with writing(self._engine) as connection:
                connection.execute(schema.dead_letters.delete().where(mine, c.key == key))


def _source(row: sa.Row[Any]) -> SourceRecord:
    return SourceRecord(row.id, row.name, row.kind, row.config, row.cursor, row.state, row.updated_at)
