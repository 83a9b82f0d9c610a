"""API keys: shown once, stored as a hash, scoped, expiring, revocable."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.engine import reading, writing
from retrieval.errors import NotFoundError

KEY_PREFIX = "kb"
MAX_DAYS = 3650  # that a key may be good for: ten years
SECRET_BYTES = 32  # 256 bits: a plain SHA-256 of it cannot be searched, so no slow password hash is needed


class Scope(StrEnum):
    """What a key may do; each includes the one before."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: Scope) -> bool:
        """Whether a key of this scope may do what `other` asks."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key without its secret. `collections` None means all."""

    id: str
    name: str
    scope: Scope
    collections: tuple[str, ...] | None
    groups: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, at: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    def reaches(self, collection: str) -> bool:
        """Whether the key covers that collection."""
        return self.collections is None or collection in self.collections


class Keys:
    """Makes, checks and revokes keys."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(
        self,
        name: str,
        scope: Scope,
        *,
        collections: Sequence[str] | None = None,
        groups: Sequence[str] = (),
        expires_at: datetime | None = None,
    ) -> tuple[KeyRecord, str]:
        """A new key and its full text `kb_<id>_<secret>`, which is never shown again."""
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(SECRET_BYTES)
        values: dict[str, Any] = {
            "id": key_id,
            "secret_hash": _hash(secret),
            "name": name,
            "scope": scope.value,
            "collections": None if collections is None else sorted(set(collections)),
            "groups": sorted(set(groups)),
            "created_at": schema.utc_now(),
            "expires_at": expires_at,
        }
        with writing(self._engine) as connection:
            connection.execute(schema.api_keys.insert().values(values))
        return self.get(key_id), f"{KEY_PREFIX}_{key_id}_{secret}"

    def check(self, text: str) -> KeyRecord | None:
        """The valid key of that text, or None; takes the same time for every wrong secret."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        with reading(self._engine) as connection:
            query = sa.select(schema.api_keys).where(schema.api_keys.c.id == key_id)
            row = connection.execute(query).one_or_none()
        stored = row.secret_hash if row is not None else _hash("")
        matches = hmac.compare_digest(stored, _hash(secret))
        if row is None or not matches or prefix != KEY_PREFIX:
            return None
        record = _record(row)
        return record if record.is_valid(schema.utc_now()) else None

    def get(self, key_id: str) -> KeyRecord:
        """One key. Raises `NotFoundError`."""
        with reading(self._engine) as connection:
            query = sa.select(schema.api_keys).where(schema.api_keys.c.id == key_id)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"key {key_id!r} does not exist")
        return _record(row)

    def all(self) -> list[KeyRecord]:
        """Every key, oldest first, revoked ones included."""
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(_oldest_first())]

    def page(self, limit: int, after: tuple[datetime, str] | None = None) -> list[KeyRecord]:
        """Up to `limit` keys as in `all`, following the one made at that time under that id, forgotten or not."""
        query = _oldest_first().limit(limit)
        if after is not None:
            c = schema.api_keys.c
            moment, key_id = after
            query = query.where((c.created_at > moment) | ((c.created_at == moment) & (c.id > key_id)))
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(query)]

    def revoke(self, key_id: str) -> None:
        """Make a key useless from now on. Raises `NotFoundError`."""
        self.get(key_id)
        with writing(self._engine) as connection:
            c = schema.api_keys.c
            connection.execute(
                schema.api_keys.update()
                .where(c.id == key_id, c.revoked_at.is_(None))
                .values(revoked_at=schema.utc_now())
            )

    def prune(self, ended_before: datetime) -> int:
        """Forget keys that expired or were revoked before that time; how many."""
        c = schema.api_keys.c
        with writing(self._engine) as connection:
            ended = (c.expires_at < ended_before) | (c.revoked_at < ended_before)
            return connection.execute(schema.api_keys.delete().where(ended)).rowcount


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _oldest_first() -> sa.Select[Any]:
    return sa.select(schema.api_keys).order_by(schema.api_keys.c.created_at, schema.api_keys.c.id)


def _record(row: sa.Row[Any]) -> KeyRecord:
    return KeyRecord(
        row.id,
        row.name,
        Scope(row.scope),
        None if row.collections is None else tuple(row.collections),
        tuple(row.groups),
        row.created_at,
        row.expires_at,
        row.revoked_at,
    )
