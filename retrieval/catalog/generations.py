"""Generations of a collection: its encoder, analyzer and chunking, several beside each other, one of them serving.

Commits carry chunks and embeddings for every generation that is not retired, so any of them can take over. Which one
serves is one pointer in the collection's row. Whatever changes what a commit must carry advances the collection's
epoch, and a commit that was prepared before is refused and prepared again: no generation ever misses a change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import ANALYZED_BY, GENERATION_SETTINGS, Collection
from retrieval.catalog.engine import reading, writing
from retrieval.errors import ConflictError, NotFoundError

CUT_BY = ("chunker", "chunk_tokens")  # settings that decide where chunks begin and end


class GenerationState(StrEnum):
    """Where a generation stands. Changes reach all but retired ones."""

    BUILDING = "building"  # lacks chunks, embeddings or proof
    READY = "ready"  # complete, never served
    SERVING = "serving"
    STANDBY = "standby"  # served before: what a rollback returns to
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation; `settings` are those of `GENERATION_SETTINGS`, `evidence` what it was compared by."""

    id: int
    encoder: str
    fingerprint: str
    chunking: int
    settings: dict[str, Any]
    state: GenerationState
    evidence: dict[str, Any] | None
    created_at: datetime
    ready_at: datetime | None
    activated_at: datetime | None
    retired_at: datetime | None

    @property
    def cut_by(self) -> tuple[Any, ...]:
        """What decides over its chunks: generations with the same share them."""
        return tuple(self.settings[name] for name in CUT_BY)


@dataclass(frozen=True, slots=True)
class ActiveGenerations:
    """What a commit must carry at this epoch; the serving one comes first."""

    epoch: int
    generations: tuple[Generation, ...]


class Generations:
    """Adds, activates and retires generations."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def all(self, collection: Collection) -> list[Generation]:
        """Every generation, oldest first."""
        with reading(self._engine) as connection:
            return _all(connection, collection.id)

    def get(self, collection: Collection, generation: int) -> Generation:
        """One generation. Raises `NotFoundError`."""
        with reading(self._engine) as connection:
            return _one(_all(connection, collection.id), generation, collection)

    def active(self, collection_id: int) -> ActiveGenerations:
        """Every generation that is not retired. Raises `NotFoundError` when the collection is gone."""
        c = schema.collections.c
        with reading(self._engine) as connection:
            # The epoch first: one that is too old is refused by the writer, one too new would not be.
            epoch = connection.execute(sa.select(c.epoch).where(c.id == collection_id)).scalar_one_or_none()
            if epoch is None:
                raise NotFoundError(f"collection number {collection_id} was dropped")
            kept = [one for one in _all(connection, collection_id) if one.state is not GenerationState.RETIRED]
        return ActiveGenerations(epoch, tuple(sorted(kept, key=lambda one: one.state is not GenerationState.SERVING)))

    def begin(self, collection: Collection, encoder: str, fingerprint: str, settings: dict[str, Any]) -> Generation:
        """A new generation, which every commit from now on carries; or one that is just that and has not served yet.

        So whoever was killed before a complete generation served finds it again. A dictionary and synonyms like the
        collection's are those that serve now, should they have changed meanwhile.
        Raises `ConflictError` while another one is unfinished.
        """
        with writing(self._engine) as connection:
            locked = _locked(connection, collection)
            last_chunking = locked.last_chunking
            settings = settings | _changed_since(connection, collection, locked.generation_id, settings)
            known = _all(connection, collection.id)
            for one in known:
                is_same = (one.encoder, one.fingerprint, one.settings) == (encoder, fingerprint, settings)
                if is_same and one.state in (GenerationState.BUILDING, GenerationState.READY):
                    return one
                if one.state is GenerationState.BUILDING:
                    raise ConflictError(
                        f"generation {one.id} of collection {collection.name!r} (encoder {one.encoder}) is unfinished; "
                        f"finish it by the same command as began it, or retire it"
                    )
            cut_by = tuple(settings[name] for name in CUT_BY)
            shared = [one.chunking for one in known if one.cut_by == cut_by and one.retired_at is None]
            chunking = shared[0] if shared else last_chunking + 1
            added = schema.generations.insert().values(
                collection_id=collection.id,
                encoder=encoder,
                fingerprint=fingerprint,
                chunking=chunking,
                settings={name: settings[name] for name in GENERATION_SETTINGS},
                created_at=schema.utc_now(),
            )
            key = connection.execute(added).inserted_primary_key
            assert key is not None
            _advance(connection, collection.id, last_chunking=max(chunking, last_chunking))
            return _one(_all(connection, collection.id), int(key[0]), collection)

    def finish(self, collection: Collection, generation: int, evidence: dict[str, Any]) -> None:
        """Say that a generation lacks nothing, and what it was compared by."""
        g = schema.generations
        with writing(self._engine) as connection:
            mine = g.update().where(g.c.id == generation, g.c.collection_id == collection.id)
            ready_at = sa.func.coalesce(g.c.ready_at, sa.literal(schema.utc_now(), schema.UtcTime))
            connection.execute(mine.values(ready_at=ready_at, evidence=evidence))

    def activate(self, collection: Collection, generation: int) -> None:
        """Let that generation serve from now on. Raises `ConflictError` while it is unfinished, or retired."""
        with writing(self._engine) as connection:
            _locked(connection, collection)
            one = _one(_all(connection, collection.id), generation, collection)
            if one.state in (GenerationState.BUILDING, GenerationState.RETIRED):
                raise ConflictError(
                    f"generation {generation} of collection {collection.name!r} is {one.state.value}; only a complete "
                    "one can serve: finish it, or reindex anew"
                )
            _point(connection, collection.id, generation)

    def former(self, collection: Collection) -> Generation:
        """The generation that served before this one. Raises `ConflictError` where none is kept."""
        standby = [one for one in self.all(collection) if one.state is GenerationState.STANDBY]
        if not standby:
            raise ConflictError(
                f"no former generation of collection {collection.name!r} is kept: nothing to roll back to"
            )
        return max(standby, key=lambda one: (one.activated_at, one.id))

    def retire(self, collection: Collection, generation: int) -> None:
        """Let changes no longer reach a generation. Raises `ConflictError` for the one that serves."""
        g = schema.generations
        with writing(self._engine) as connection:
            _locked(connection, collection)
            one = _one(_all(connection, collection.id), generation, collection)
            if one.state is GenerationState.SERVING:
                raise ConflictError(
                    f"generation {generation} of collection {collection.name!r} serves; activate another one first"
                )
            if one.state is not GenerationState.RETIRED:
                connection.execute(g.update().where(g.c.id == generation).values(retired_at=schema.utc_now()))
                _advance(connection, collection.id)


def _locked(connection: sa.Connection, collection: Collection) -> Any:
    c = schema.collections.c
    query = sa.select(c.generation_id, c.last_chunking).where(c.id == collection.id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"collection {collection.name!r} was dropped")
    return row


def _changed_since(
    connection: sa.Connection, collection: Collection, serving: int, settings: dict[str, Any]
) -> dict[str, Any]:
    g, read = schema.generations.c, collection.settings
    now = connection.execute(sa.select(g.settings).where(g.id == serving)).scalar_one()
    known = {"dictionary": list(read.dictionary), "synonyms": [list(group) for group in read.synonyms]}
    return {name: now[name] for name in ANALYZED_BY if settings[name] == known[name]}


def _point(connection: sa.Connection, collection_id: int, generation: int) -> None:
    g = schema.generations
    connection.execute(g.update().where(g.c.id == generation).values(activated_at=schema.utc_now()))
    _advance(connection, collection_id, generation_id=generation)


def _advance(connection: sa.Connection, collection_id: int, **values: Any) -> None:
    c = schema.collections
    connection.execute(c.update().where(c.c.id == collection_id).values(epoch=c.c.epoch + 1, **values))


def _all(connection: sa.Connection, collection_id: int) -> list[Generation]:
    c, g = schema.collections, schema.generations
    query = (
        sa.select(g, c.c.generation_id)
        .join_from(g, c, c.c.id == g.c.collection_id)
        .where(g.c.collection_id == collection_id)
        .order_by(g.c.id)
    )
    return [_generation(row) for row in connection.execute(query)]


def _one(known: list[Generation], generation: int, collection: Collection) -> Generation:
    for one in known:
        if one.id == generation:
            return one
    raise NotFoundError(f"generation {generation} does not exist in collection {collection.name!r}")


def _generation(row: sa.Row[Any]) -> Generation:
    return Generation(
        id=row.id,
        encoder=row.encoder,
        fingerprint=row.fingerprint,
        chunking=row.chunking,
        settings=row.settings,
        state=_state(row),
        evidence=row.evidence,
        created_at=row.created_at,
        ready_at=row.ready_at,
        activated_at=row.activated_at,
        retired_at=row.retired_at,
    )


def _state(row: sa.Row[Any]) -> GenerationState:
    if row.id == row.generation_id:
        return GenerationState.SERVING
    if row.retired_at is not None:
        return GenerationState.RETIRED
    if row.ready_at is None:
        return GenerationState.BUILDING
    return GenerationState.READY if row.activated_at is None else GenerationState.STANDBY
