"""Registered sources, how far each was read, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing
from retrieval.catalog.offsets import overtake
from retrieval.catalog.row_upkeep import TableUse, refit_rows
from retrieval.catalog.rows import SourceRows
from retrieval.catalog.upsert import insert
from retrieval.errors import ConflictError, NotFoundError


class SourceState(StrEnum):
    """Whether a live source is read."""

    ACTIVE = "active"
    PAUSED = "paused"
    DELETING = "deleting"  # its documents and what it holds at the database are being removed


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One registered source; `cursor` is how far it was read."""

    id: int
    name: str
    kind: str
    config: dict[str, Any]
    cursor: str | None
    state: SourceState
    updated_at: datetime
    collection_id: int
    collection: str  # its name


def being_deleted(source: SourceRecord) -> ConflictError:
    """What whoever wants something else of a source that is being deleted is told."""
    return ConflictError(f"source {source.name!r} is being deleted; delete it again to finish that")


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
    headers: tuple[tuple[str, bytes], ...]
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

    def create(
        self,
        collection: Collection,
        name: str,
        kind: str,
        config: dict[str, Any],
        secret: bytes | None = None,
        state: SourceState = SourceState.ACTIVE,
    ) -> SourceRecord:
        """A new source. `secret` is encrypted by the caller. Raises `ConflictError` when the name is taken."""
        values = {"collection_id": collection.id, "name": name, "kind": kind, "config": config, "secret": secret}
        values |= {"state": state.value, "updated_at": schema.utc_now()}
        try:
            with writing(self._engine) as connection:
                connection.execute(schema.sources.insert().values(**values))
        except sa.exc.IntegrityError:
            raise ConflictError(
                f"source {name!r} exists already in collection {collection.name!r}; delete it or choose another name"
            ) from None
        return self.get(collection, name)

    def live(self, kind: str) -> list[SourceRecord]:
        """The active sources of that kind in all collections, by number: what a worker reads."""
        c = schema.sources.c
        query = _sources().where(c.kind == kind, c.state == SourceState.ACTIVE.value).order_by(c.id)
        with reading(self._engine) as connection:
            return [_source(row) for row in connection.execute(query)]

    def secret(self, source: SourceRecord) -> bytes | None:
        """What was stored encrypted with the source."""
        query = sa.select(schema.sources.c.secret).where(schema.sources.c.id == source.id)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()

    def change(self, source: SourceRecord, *, unless_changed: bool = False, **values: Any) -> SourceRecord:
        """Replace columns (`config`, `cursor`, `secret`, `state`); `unless_changed`: only if nobody did since `source`.

        Raises `NotFoundError` when the source is gone, `ConflictError` where it is being deleted and would come back,
        or was changed meanwhile.
        """
        with writing(self._engine) as connection:
            return _change(connection, source, unless_changed, values)

    def merge(
        self,
        source: SourceRecord,
        changes: Mapping[str, Any],
        *,
        learned: Mapping[str, Mapping[str, Any]] | None = None,
        **values: Any,
    ) -> SourceRecord:
        """Replace these parts of its configuration, and columns; its other parts stay as they are by now.

        `learned` are entries of parts that nobody chose: the newest counts, other entries stay. Raises `ConflictError`
        where one of `changes` was changed since `source`, and as `change` does.
        """
        with writing(self._engine) as connection:
            mine = _sources().where(schema.sources.c.id == source.id).with_for_update(of=schema.sources)
            found = connection.execute(mine).one_or_none()
            if found is None:
                raise _deleted(source)
            if any(found.config.get(part) != source.config.get(part) for part in changes):
                raise _changed(source)
            known = {part: {**found.config.get(part, {}), **entries} for part, entries in (learned or {}).items()}
            merged = {**found.config, **changes, **known}
            return _change(connection, source, False, {**values, "config": merged})

    def now(self, source: SourceRecord) -> SourceRecord:
        """The source as it is by now. Raises `NotFoundError`."""
        with reading(self._engine) as connection:
            found = connection.execute(_sources().where(schema.sources.c.id == source.id)).one_or_none()
        if found is None:
            raise _deleted(source)
        return _source(found)

    def forget_positions(self, collection: Collection, source: str) -> None:
        """Let any later change of its documents count, deleted ones included: its positions have lost their meaning."""
        c = schema.documents.c
        mine = schema.documents.update().where(c.collection_id == collection.id, c.source == source)
        with writing(self._engine) as connection:
            connection.execute(mine.values(position=None))

    def forget_progress(self, source: SourceRecord) -> None:
        """Let a source be read as if it were new: no offsets, no rows, nothing known of its tables."""
        links, rows, offsets = schema.source_row_links, schema.source_rows, schema.source_offsets
        with writing(self._engine) as connection:
            overtake(connection, source.id)
            for table in (links, rows, offsets, schema.source_tables):
                connection.execute(table.delete().where(table.c.source_id == source.id))

    def refit(self, source: SourceRecord, tables: Mapping[str, TableUse], value: Callable[[Any], str | None]) -> None:
        """Fit what is stored of the rows to another mapping; see `row_upkeep`."""
        with writing(self._engine) as connection:
            overtake(connection, source.id)
            refit_rows(connection, source.id, tables, value)

    def unplaced_keys(self, collection: Collection, source: str) -> set[str]:
        """The living documents of a source that nothing with a position has brought since `forget_positions`."""
        c = schema.documents.c
        mine = (c.collection_id == collection.id, c.source == source, c.position.is_(None), sa.not_(c.deleted))
        with reading(self._engine) as connection:
            return set(connection.execute(sa.select(c.key).where(*mine)).scalars())

    def delete(self, source: SourceRecord) -> None:
        """Forget a source with its rows, offsets and notices; its documents are the caller's to delete before."""
        with writing(self._engine) as connection:
            connection.execute(schema.sources.delete().where(schema.sources.c.id == source.id))

    def rows(self, source: SourceRecord) -> SourceRows:
        """The stored rows of a source, for rendering joined documents again."""
        return SourceRows(self._engine, source.id)

    def all(self, collection: Collection) -> list[SourceRecord]:
        """All sources of a collection by name, whatever order the database's language has."""
        query = _sources().where(schema.sources.c.collection_id == collection.id)
        with reading(self._engine) as connection:
            return sorted(map(_source, connection.execute(query)), key=lambda one: one.name)

    def get(self, collection: Collection, name: str) -> SourceRecord:
        """One source. Raises `NotFoundError`."""
        for source in self.all(collection):
            if source.name == name:
                return source
        raise NotFoundError(f"source {name!r} does not exist in collection {collection.name!r}")

    def dead_letters(
        self, collection: Collection, limit: int = 100, after: int = 0, source: str | None = None
    ) -> list[DeadLetterRecord]:
        """Dead letters, of one source where named, in the order they came, beginning after the id `after`."""
        c = schema.dead_letters.c
        query = _letters(collection).where(c.id > after).order_by(c.id).limit(limit)
        query = query if source is None else query.where(c.source == source)
        with reading(self._engine) as connection:
            return [DeadLetterRecord(**row._mapping) for row in connection.execute(query)]

    def count_dead_letters(self, source: SourceRecord) -> int:
        """How many inputs of a source wait for a person."""
        c = schema.dead_letters.c
        mine = (c.collection_id == source.collection_id) & (c.source == source.name)
        with reading(self._engine) as connection:
            return connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one()

    def dead_letter(self, collection: Collection, letter_id: int) -> DeadLetterRecord:
        """One dead letter. Raises `NotFoundError`."""
        with reading(self._engine) as connection:
            query = _letters(collection).where(schema.dead_letters.c.id == letter_id)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"dead letter {letter_id} does not exist in collection {collection.name!r}")
        return DeadLetterRecord(**row._mapping)

    def drop_dead_letters(self, collection: Collection, source: str | None = None) -> int:
        """Forget all dead letters, or one source's; how many there were."""
        c = schema.dead_letters.c
        statement = schema.dead_letters.delete().where(c.collection_id == collection.id)
        with writing(self._engine) as connection:
            return connection.execute(statement if source is None else statement.where(c.source == source)).rowcount

    def drop_dead_letter(self, collection: Collection, letter_id: int) -> None:
        """Forget one dead letter. Raises `NotFoundError`."""
        c = schema.dead_letters.c
        with writing(self._engine) as connection:
            statement = schema.dead_letters.delete().where(c.collection_id == collection.id, c.id == letter_id)
            if connection.execute(statement).rowcount != 1:
                raise NotFoundError(f"dead letter {letter_id} does not exist in collection {collection.name!r}")

    def failed_keys(self, collection: Collection, source: str) -> set[str]:
        """The keys of a source's dead letters."""
        c = schema.dead_letters.c
        query = sa.select(c.key).where(c.collection_id == collection.id, c.source == source)
        with reading(self._engine) as connection:
            return set(connection.execute(query).scalars())

    def settle_dead_letters(self, collection: Collection, source: str, keys: set[str]) -> None:
        """Forget the dead letters of inputs that have succeeded since."""
        c = schema.dead_letters.c
        mine = (c.collection_id == collection.id) & (c.source == source)
        for key in self.failed_keys(collection, source) & keys:
            with writing(self._engine) as connection:
                connection.execute(schema.dead_letters.delete().where(mine, c.key == key))


def _change(
    connection: sa.Connection, source: SourceRecord, unless_changed: bool, values: Mapping[str, Any]
) -> SourceRecord:
    c, final = schema.sources.c, SourceState.DELETING.value
    statement = schema.sources.update().where(c.id == source.id)
    if values.get("state") != final:
        statement = statement.where(c.state != final)
    if unless_changed:
        statement = statement.where(c.updated_at == source.updated_at)
    if connection.execute(statement.values(**values, updated_at=schema.utc_now())).rowcount != 1:
        state = connection.execute(sa.select(c.state).where(c.id == source.id)).scalar_one_or_none()
        if state is None:
            raise _deleted(source)
        raise being_deleted(source) if state == final else _changed(source)
    return _source(connection.execute(_sources().where(c.id == source.id)).one())


def _deleted(source: SourceRecord) -> NotFoundError:
    return NotFoundError(f"source {source.name!r} was deleted meanwhile")


def _changed(source: SourceRecord) -> ConflictError:
    return ConflictError(f"source {source.name!r} was changed meanwhile; try again")


def _sources() -> sa.Select[Any]:
    c, named = schema.sources.c, schema.collections.c.name.label("collection")
    columns = (c.id, c.name, c.kind, c.config, c.cursor, c.state, c.updated_at, c.collection_id, named)
    return sa.select(*columns).join_from(schema.sources, schema.collections)


def _source(row: sa.Row[Any]) -> SourceRecord:
    state = SourceState(row.state)
    about = (row.id, row.name, row.kind, row.config, row.cursor, state, row.updated_at)
    return SourceRecord(*about, row.collection_id, row.collection)


def _letters(collection: Collection) -> sa.Select[Any]:
    c = schema.dead_letters.c
    columns = (c.id, c.source, c.key, c.reason, c.remedy, c.position, c.payload)
    of_message = (c.topic, c.partition, c.offset, c.message_key, c.headers)
    return sa.select(*columns, *of_message, c.at).where(c.collection_id == collection.id)
