"""Former versions of documents: the text as it was before it changed or was deleted, for people who maintain it.

Searches and answers never read them. Changes of metadata or rights alone leave none. The newest few of a document are
kept; `prune` forgets what was replaced long ago, and with it deleted text for good.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice, takewhile
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.batching import in_parts, passing
from retrieval.catalog.collections import Collection
from retrieval.catalog.documents import document_of
from retrieval.catalog.engine import reading, writing
from retrieval.catalog.rights import may_read, perhaps_readable, readers
from retrieval.catalog.version_table import document_versions
from retrieval.errors import NotFoundError
from retrieval.types import Document, Principal

KEPT_VERSIONS = 5  # of a document, unless the settings say otherwise
_COPIED = ("key", "title", "uri", "source", "table_name", "language", "metadata", "acl", "committed_at", "cataloged_at")


@dataclass(frozen=True, slots=True)
class FormerVersion:
    """A document as it was until `replaced_at`; `deleted` where nothing has taken its place since."""

    document: Document
    version: int
    cataloged_at: datetime
    replaced_at: datetime
    deleted: bool

    @property
    def as_of(self) -> datetime:
        """When the source committed it, or when we received it."""
        return self.document.committed_at or self.cataloged_at


def keep_former(
    connection: sa.Connection, collection_id: int, numbers: Sequence[int], now: datetime, kept: int
) -> None:
    """Copy living documents aside before their text is overwritten, and forget all but the newest `kept` of each."""
    if not kept:
        return
    copy, listed, delete = _keeping()
    for part in in_parts(sorted(numbers)):
        among = {"within": collection_id, "numbers": part}
        connection.execute(copy, {**among, "moment": now})
        versions: dict[int, list[int]] = defaultdict(list)
        for number, version in connection.execute(listed, among):
            versions[number].append(version)
        pairs = [(number, one) for number, all in versions.items() for one in all[kept:]]
        if pairs:
            connection.execute(delete, [{"within": collection_id, "of": number, "old": one} for number, one in pairs])


@cache  # made once: every change of a text runs them
def _keeping() -> tuple[sa.Insert, sa.Select[Any], sa.Delete]:
    """Copies aside, lists what is kept newest first, and forgets one."""
    v = document_versions.c
    within = v.collection_id == sa.bindparam("within")
    among = v.number.in_(sa.bindparam("numbers", expanding=True))
    listed = sa.select(v.number, v.version).where(within, among).order_by(v.number, v.version.desc())
    old = (v.number == sa.bindparam("of"), v.version == sa.bindparam("old"))
    return _copy(), listed, document_versions.delete().where(within, *old)


def _copy() -> sa.Insert:
    d, t = schema.documents.c, schema.document_texts.c
    with_text = (t.collection_id == d.collection_id) & (t.number == d.number)
    replaced_at = sa.bindparam("moment", type_=schema.UtcTime()).label("replaced_at")
    copied = [d.collection_id, d.number, d.version, *(d[name] for name in _COPIED), t.text, t.outline, replaced_at]
    former = (
        sa.select(*copied)
        .join_from(schema.documents, schema.document_texts, with_text)
        .where(
            d.collection_id == sa.bindparam("within"),
            d.number.in_(sa.bindparam("numbers", expanding=True)),
            d.deleted.is_(False),
        )
    )
    return document_versions.insert().from_select([column.name for column in copied], former)


class Versions:
    """Reads and forgets former versions."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def all(self, collection: Collection, key: str, principal: Principal) -> list[FormerVersion]:
        """A document's former versions, newest first, without text, as far back as the caller may read them all.

        Empty, too, where the caller may not read the document as it is now, or was when it was deleted: a version
        that somebody may not read hides those before it, for its rights may have been narrowed because of them.
        """
        return [_former(row) for row in self._rows(_query(collection).where(_key(key)), collection, principal)]

    def get(self, collection: Collection, key: str, version: int, principal: Principal) -> FormerVersion:
        """One of them with its text. Raises `NotFoundError`."""
        v = document_versions.c
        query = _query(collection, v.text, v.outline).where(_key(key), v.version >= version)
        for row in self._rows(query, collection, principal):
            if row.version == version:
                return _former(row, row.text, row.outline)
        raise NotFoundError(
            f"version {version} of document {key!r} is not kept in collection {collection.name!r}; "
            "only the newest former versions are"
        )

    def deleted(
        self, collection: Collection, principal: Principal, *, limit: int, after: str = ""
    ) -> list[FormerVersion]:
        """Up to `limit` deleted documents by key, after the key `after`: each as it was last, without text."""
        v, d = document_versions.c, schema.documents.c
        newest = sa.select(sa.func.max(v.version)).where(v.collection_id == d.collection_id, v.number == d.number)
        last = v.version == newest.correlate(schema.documents).scalar_subquery()
        dialect = self._engine.dialect.name
        rights = [perhaps_readable(acl, collection, principal, dialect) for acl in (d.acl, v.acl)]
        query = _query(collection).where(d.deleted.is_(True), *rights, last).order_by(None).order_by(d.key)

        def keep(row: sa.Row[Any]) -> bool:
            return _may_read(row, collection, principal)

        with reading(self._engine) as connection:
            rows = list(islice(passing(connection, query, d.key, keep, after, limit, is_rare=False), limit))
        return [_former(row) for row in rows]

    def prune(self, collection: Collection, before: datetime) -> int:
        """Forget what was replaced or deleted before that moment; how many versions."""
        v = document_versions.c
        with writing(self._engine) as connection:
            gone = document_versions.delete().where(v.collection_id == collection.id, v.replaced_at < before)
            return connection.execute(gone).rowcount

    def _rows(self, query: sa.Select[Any], collection: Collection, principal: Principal) -> list[sa.Row[Any]]:
        """Of one document, newest first."""
        return list(takewhile(lambda row: _may_read(row, collection, principal), self._execute(query)))

    def _execute(self, query: sa.Select[Any]) -> list[sa.Row[Any]]:
        with reading(self._engine) as connection:
            return list(connection.execute(query))


def _query(collection: Collection, *more: sa.Column[Any]) -> sa.Select[Any]:
    v, d = document_versions.c, schema.documents.c
    joined = (d.collection_id == v.collection_id) & (d.number == v.number)
    columns = [v.version, v.replaced_at, *(v[name] for name in _COPIED), *more]
    return (
        sa.select(*columns, d.deleted, d.acl.label("acl_now"))
        .join_from(document_versions, schema.documents, joined)
        .where(v.collection_id == collection.id)
        .order_by(v.version.desc())
    )


def _key(key: str) -> sa.ColumnElement[bool]:
    return schema.documents.c.key == key


def _may_read(row: sa.Row[Any], collection: Collection, principal: Principal) -> bool:
    """Under the rights it had, and under those that the document has or had when it was deleted."""
    return all(may_read(readers(collection, acl), principal) for acl in (row.acl, row.acl_now))


def _former(row: sa.Row[Any], text: str = "", outline: Sequence[Sequence[Any]] = ()) -> FormerVersion:
    return FormerVersion(document_of(row, text, outline), row.version, row.cataloged_at, row.replaced_at, row.deleted)
