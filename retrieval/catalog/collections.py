"""Collections: named sets of documents with one serving generation, one serving plan and one operation log."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.engine import reading, reading_once, writing
from retrieval.catalog.jobs import part_from_collection
from retrieval.catalog.operations import log_default_rights, log_nothing
from retrieval.errors import ConflictError, InvalidInputError, NotFoundError
from retrieval.types import EVERYONE

COLLECTION_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
FIRST_CHUNKING = 1  # number of the way of cutting that a new collection begins with
ANALYZED_BY = ("dictionary", "synonyms")  # settings that decide what words a text has
GENERATION_SETTINGS = ("chunker", "chunk_tokens", "dictionary", "synonyms")  # what another generation may change


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """What a collection decides for its documents. `default_acl` guards documents that name no group."""

    default_acl: tuple[str, ...] = (EVERYONE,)
    chunker: str = "structure"
    chunk_tokens: int = 220
    dictionary: tuple[str, ...] = ()  # words the analyzer keeps whole
    synonyms: tuple[tuple[str, ...], ...] = ()  # groups of words that mean the same


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as one of its generations sees it."""

    id: int
    name: str
    settings: CollectionSettings  # those of the generation included
    encoder: str
    encoder_fingerprint: str
    generation: int  # whose encoder, chunks and settings these are: the one that serves, unless another was asked for
    chunking: int  # which chunks are the generation's
    last_seq: int
    plan_id: int | None
    created_at: datetime


class Collections:
    """Creates, finds and drops collections."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(
        self, name: str, encoder: str, encoder_fingerprint: str, settings: CollectionSettings | None = None
    ) -> Collection:
        """A new, empty collection. Raises `InvalidInputError` for a bad name, `ConflictError` when it exists."""
        if not COLLECTION_NAME.fullmatch(name):
            raise InvalidInputError(
                f"collection name {name!r}: expected 1 to 63 of a-z, 0-9, '-' and '_', starting with a letter or digit"
            )
        chosen = asdict(settings or CollectionSettings())
        made_by = {name: chosen.pop(name) for name in GENERATION_SETTINGS}
        now = schema.utc_now()
        try:
            with writing(self._engine) as connection:
                added = schema.collections.insert().values(name=name, settings=chosen, created_at=now)
                collection_id = _key(connection.execute(added))
                first = schema.generations.insert().values(
                    collection_id=collection_id,
                    encoder=encoder,
                    fingerprint=encoder_fingerprint,
                    chunking=FIRST_CHUNKING,
                    settings=made_by,
                    **dict.fromkeys(("created_at", "ready_at", "activated_at"), now),
                )
                generation = _key(connection.execute(first))
                pointed = schema.collections.update().where(schema.collections.c.id == collection_id)
                connection.execute(pointed.values(generation_id=generation))
        except sa.exc.IntegrityError:
            raise ConflictError(f"collection {name!r} exists already; choose another name or use it") from None
        return self.get(name)

    def get(self, name: str) -> Collection:
        """The collection of that name. Raises `NotFoundError`."""
        query = _seen_by().where(schema.collections.c.name == name)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise _unknown(name)
        return _collection(row)

    def seen_by(self, collection_id: int, generation: int) -> Collection:
        """The collection with the encoder, chunks and settings of that generation. Raises `NotFoundError`."""
        query = _seen_by(generation).where(schema.collections.c.id == collection_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"generation {generation} of collection number {collection_id} does not exist")
        return _collection(row)

    def all(self) -> list[Collection]:
        """All collections by name, whatever order the database's language has."""
        with reading(self._engine) as connection:
            return sorted(map(_collection, connection.execute(_seen_by())), key=lambda one: one.name)

    def last_seq(self, collection_id: int) -> int:
        """The newest committed operation. Raises `NotFoundError` when the collection is gone."""
        with reading_once(self._engine) as connection:
            seq = connection.execute(_last_seq(), {"within": collection_id}).scalar_one_or_none()
        if seq is None:
            raise _gone(collection_id)
        return int(seq)

    def pass_over(self, collection_id: int, seq: int) -> int:
        """Have the log reach `seq` at least, by operations that change nothing; the newest one.

        For numbers that a view on a server believes to have seen. Raises `NotFoundError` when the collection is gone.
        """
        with writing(self._engine) as connection:
            reached = log_nothing(connection, collection_id, seq)
        if reached is None:
            raise _gone(collection_id)
        return reached

    def change_settings(self, name: str, **changes: Any) -> Collection:
        """Replace single settings of a collection and of the generation that serves. Raises `NotFoundError`.

        Generations that are being built, ready or on standby take over a dictionary and synonyms that they had in
        common with it: they would be lost with the next switch otherwise.
        Another `default_acl` is an operation on every document that it guards, so that all views follow it.
        """
        with writing(self._engine) as connection:
            collection = _locked(connection, name)  # read here: what another changed meanwhile is not written over
            changed = asdict(replace(collection.settings, **changes))
            made_by = {name: changed.pop(name) for name in GENERATION_SETTINGS}
            c, g = schema.collections, schema.generations
            connection.execute(c.update().where(c.c.id == collection.id).values(settings=changed))
            _carry_over(connection, collection, made_by)
            connection.execute(g.update().where(g.c.id == collection.generation).values(settings=made_by))
            if tuple(changed["default_acl"]) != collection.settings.default_acl:
                log_default_rights(connection, collection.id)
        return self.get(name)

    def drop(self, name: str) -> None:
        """Delete a collection with everything in it, its schedules and open jobs included. Raises `NotFoundError`."""
        with writing(self._engine) as connection:
            collection = _locked(connection, name)
            connection.execute(schema.collections.delete().where(schema.collections.c.id == collection.id))
            # In this order: a schedule that asks for a job right now is waited for, and that job is seen.
            connection.execute(schema.schedules.delete().where(schema.schedules.c.collection == name))
            part_from_collection(connection, name)


def _locked(connection: sa.Connection, name: str) -> Collection:
    """The collection, which nobody else changes until the transaction ends. Raises `NotFoundError`."""
    c = schema.collections.c
    found = connection.execute(sa.select(c.id).where(c.name == name).with_for_update()).scalar_one_or_none()
    if found is None:
        raise _unknown(name)
    return _collection(connection.execute(_seen_by().where(c.id == found)).one())


def _carry_over(connection: sa.Connection, collection: Collection, made_by: dict[str, Any]) -> None:
    g = schema.generations
    query = sa.select(g.c.id, g.c.settings).where(g.c.collection_id == collection.id, g.c.retired_at.is_(None))
    kept = {row.id: row.settings for row in connection.execute(query)}
    serving = kept.pop(collection.generation)
    for number, settings in kept.items():
        shared = {name: made_by[name] for name in ANALYZED_BY if settings[name] == serving[name]}
        connection.execute(g.update().where(g.c.id == number).values(settings=settings | shared))


def _unknown(name: str) -> NotFoundError:  # the names of others are not for every caller
    return NotFoundError(f"collection {name!r} does not exist; see GET /v1/collections or `kb collections`")


def _gone(collection_id: int) -> NotFoundError:
    return NotFoundError(f"collection number {collection_id} was dropped")


@cache  # made once: every follower asks many times a second
def _last_seq() -> sa.Select[Any]:
    c = schema.collections.c
    return sa.select(c.last_seq).where(c.id == sa.bindparam("within"))


def _key(result: sa.CursorResult[Any]) -> int:
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def _seen_by(generation: int | None = None) -> sa.Select[Any]:
    """Collections joined with a generation of theirs: the named one, or the one that serves."""
    c, g = schema.collections, schema.generations
    joined = (
        g.c.id == c.c.generation_id if generation is None else (g.c.id == generation) & (g.c.collection_id == c.c.id)
    )
    made_by = (g.c.id.label("generation"), g.c.settings.label("made_by"), g.c.encoder, g.c.fingerprint, g.c.chunking)
    return sa.select(c, *made_by).join_from(c, g, joined)


def _collection(row: sa.Row[Any]) -> Collection:
    stored = row.settings | row.made_by
    settings = CollectionSettings(
        default_acl=tuple(stored["default_acl"]),
        chunker=stored["chunker"],
        chunk_tokens=stored["chunk_tokens"],
        dictionary=tuple(stored["dictionary"]),
        synonyms=tuple(tuple(group) for group in stored["synonyms"]),
    )
    return Collection(
        row.id,
        row.name,
        settings,
        row.encoder,
        row.fingerprint,
        row.generation,
        row.chunking,
        row.last_seq,
        row.plan_id,
        row.created_at,
    )
