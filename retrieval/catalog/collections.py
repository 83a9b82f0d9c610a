"""Collections: named sets of documents with one encoder, one serving plan and one operation log."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.engine import reading, writing
from retrieval.errors import ConflictError, InvalidInputError, NotFoundError
from retrieval.types import EVERYONE

COLLECTION_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


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
    """One row of the collections table."""

    id: int
    name: str
    settings: CollectionSettings
    encoder: str
    encoder_fingerprint: str
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
        row = {
            "name": name,
            "settings": asdict(settings or CollectionSettings()),
            "encoder": encoder,
            "encoder_fingerprint": encoder_fingerprint,
            "created_at": schema.utc_now(),
        }
        try:
            with writing(self._engine) as connection:
                connection.execute(schema.collections.insert().values(row))
        except sa.exc.IntegrityError:
            raise ConflictError(f"collection {name!r} exists already; choose another name or use it") from None
        return self.get(name)

    def get(self, name: str) -> Collection:
        """The collection of that name. Raises `NotFoundError`."""
        query = sa.select(schema.collections).where(schema.collections.c.name == name)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:  # the names of others are not for every caller
            raise NotFoundError(f"collection {name!r} does not exist; `kb collections` lists those that do")
        return _collection(row)

    def all(self) -> list[Collection]:
        """All collections by name."""
        query = sa.select(schema.collections).order_by(schema.collections.c.name)
        with reading(self._engine) as connection:
            return [_collection(row) for row in connection.execute(query)]

    def last_seq(self, collection_id: int) -> int:
        """The newest committed operation. Raises `NotFoundError` when the collection is gone."""
        query = sa.select(schema.collections.c.last_seq).where(schema.collections.c.id == collection_id)
        with reading(self._engine) as connection:
            seq = connection.execute(query).scalar_one_or_none()
        if seq is None:
            raise NotFoundError(f"collection number {collection_id} was dropped")
        return int(seq)

    def change_settings(self, name: str, **changes: Any) -> Collection:
        """Replace single settings of a collection."""
        collection = self.get(name)
        settings = replace(collection.settings, **changes)
        self._update(collection.id, settings=asdict(settings))
        return self.get(name)

    def set_encoder(self, name: str, encoder: str, fingerprint: str) -> None:
        """Point a collection at other embeddings, which must all be there already."""
        self._update(self.get(name).id, encoder=encoder, encoder_fingerprint=fingerprint)

    def drop(self, name: str) -> None:
        """Delete a collection with everything in it. Raises `NotFoundError`."""
        collection = self.get(name)
        with writing(self._engine) as connection:
            connection.execute(schema.collections.delete().where(schema.collections.c.id == collection.id))

    def _update(self, collection_id: int, **values: Any) -> None:
        with writing(self._engine) as connection:
            connection.execute(
                schema.collections.update().where(schema.collections.c.id == collection_id).values(**values)
            )


def _collection(row: sa.Row[Any]) -> Collection:
    stored = dict(row.settings)
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
        row.encoder_fingerprint,
        row.last_seq,
        row.plan_id,
        row.created_at,
    )
