"""Reading documents and chunks back: single ones, lists, and the check that every hit passes before it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from retrieval.catalog import schema
from retrieval.catalog.batching import in_parts, passing
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, reading_once
from retrieval.catalog.prepared import PreparedRead, Reader
from retrieval.catalog.rights import may_read, perhaps_readable, readers
from retrieval.errors import NotFoundError
from retrieval.filters import Filter, matches
from retrieval.types import Block, Chunk, Document, Principal, SourcePosition


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk of a document's current version with what a hit shows of the document."""

    label: int
    document: int
    ordinal: int
    text: str
    start: int
    end: int
    heading: str
    page: int | None
    key: str
    title: str
    uri: str | None
    source: str
    table: str
    language: str
    metadata: dict[str, Any]
    position: str | None
    version: int
    committed_at: datetime | None
    cataloged_at: datetime

    @property
    def as_of(self) -> datetime:
        """When the source committed this text, or when we received it."""
        return self.committed_at or self.cataloged_at


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A document as stored, with the bookkeeping around it."""

    number: int
    document: Document
    version: int
    seq: int
    cataloged_at: datetime
    chunks: int


@dataclass(frozen=True, slots=True)
class StoredInput:
    """Digests of a document's title and text, as they came and as they are kept, with what was made of them."""

    input_hash: str
    title: str
    language: str
    content_hash: str


def own_fields(source: str, table: str, language: str, key: str) -> dict[str, Any]:
    """The fields that filters know of every document beside its metadata."""
    return {"_source": source, "_table": table, "_language": language, "_key": key}


def filter_fields(document: Document) -> dict[str, Any]:
    """What filters see of a document, as in a search."""
    return dict(document.metadata) | own_fields(document.source, document.table, document.language, document.key)


def document_id(collection: str, key: str) -> str:
    """The stable name of a document: collection / key, where a row's key is schema.table/primary-key."""
    return f"{collection}/{key}"


def chunk_id(collection: str, key: str, ordinal: int) -> str:
    """The name of a chunk: its document's id # ordinal."""
    return f"{document_id(collection, key)}#{ordinal}"


class Documents:
    """Reads documents and chunks of one catalog."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lists = _Lists(engine.dialect.name)
        self._visible = PreparedRead(engine, _visible_chunks(self._lists))
        self._read_acl, *self._readers = self._visible.readers

    def visible(self, collection: Collection, labels: Sequence[int], principal: Principal) -> dict[int, StoredChunk]:
        """The chunks among `labels` that exist now and that the caller may read. Everything else is left out."""
        found: dict[int, StoredChunk] = {}
        for part in in_parts(labels):
            rows = self._visible.rows({"collection": collection.id, "numbers": self._lists.value(part)})
            for acl, *values in rows:
                listed = acl if acl is None or self._read_acl is None else self._read_acl(acl)
                if may_read(readers(collection, listed), principal):
                    chunk = StoredChunk(*_read(values, self._readers))
                    found[chunk.label] = chunk
        return found

    def get(self, collection: Collection, key: str, principal: Principal) -> StoredVersion:
        """One living document. Raises `NotFoundError`, also when the caller may not read it."""
        with reading(self._engine) as connection:
            return _readable(connection, collection, key, principal)

    def with_chunks(
        self, collection: Collection, key: str, principal: Principal
    ) -> tuple[StoredVersion, list[tuple[int, Chunk]]]:
        """As `get`, with the labels and chunks that very version was cut into, in order.

        Read by themselves, the chunks could be those of a later version, which the caller may not read.
        """
        with reading(self._engine) as connection:
            return _readable(connection, collection, key, principal), _chunks(connection, collection, key)

    def page(
        self,
        collection: Collection,
        principal: Principal,
        *,
        limit: int,
        after: str = "",
        source: str | None = None,
        prefix: str = "",
        words: str = "",
        language: str | None = None,
        filter: Filter | None = None,
    ) -> list[StoredVersion]:
        """Up to `limit` living documents the caller may read, by key, beginning after the key `after`; without text.

        `words`: what the key or the title contains, in any case. `filter`: what the metadata must be like.
        """
        d = schema.documents.c
        rights = perhaps_readable(d.acl, collection, principal, self._engine.dialect.name)
        living = sa.select(schema.documents).where(d.collection_id == collection.id, d.deleted.is_(False), rights)
        query = _narrowed(living, source, prefix, words, language).order_by(d.key)

        def keep(row: sa.Row[Any]) -> bool:
            readable = may_read(readers(collection, row.acl), principal)
            return readable and (filter is None or matches(filter, filter_fields(document_of(row))))

        with reading(self._engine) as connection:
            rows = list(islice(passing(connection, query, d.key, keep, after, limit, filter is not None), limit))
            cut = _chunk_counts(connection, collection, [row.number for row in rows])
        return [_version(row, cut.get(row.number, 0)) for row in rows]

    def facets(self, collection: Collection, principal: Principal) -> dict[tuple[str, str], int]:
        """How many living documents the caller may read, by (source, language)."""
        d = schema.documents.c
        acl = sa.cast(d.acl, sa.Text)
        query = sa.select(d.source, d.language, acl, sa.func.count()).group_by(d.source, d.language, acl)
        found: dict[tuple[str, str], int] = {}
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(d.collection_id == collection.id, d.deleted.is_(False)))
            for source, language, groups, count in rows:
                allowed = None if groups is None else orjson.loads(groups)
                if may_read(readers(collection, allowed), principal):
                    found[source, language] = found.get((source, language), 0) + count
        return found

    def chunks(self, collection: Collection, key: str) -> list[tuple[int, Chunk]]:
        """The labels and chunks of a document in order, whoever may read it."""
        with reading(self._engine) as connection:
            return _chunks(connection, collection, key)

    def keys(self, collection: Collection, source: str | None = None) -> set[str]:
        """The keys of all living documents, or of one source's."""
        d = schema.documents.c
        query = sa.select(d.key).where(d.collection_id == collection.id, d.deleted.is_(False))
        query = query if source is None else query.where(d.source == source)
        with reading(self._engine) as connection:
            return set(connection.execute(query).scalars())

    def inputs(self, collection: Collection, keys: Iterable[str]) -> dict[str, StoredInput]:
        """What each living document among `keys` was made from."""
        found: dict[str, StoredInput] = {}
        with reading_once(self._engine) as connection:
            for part in in_parts(sorted(set(keys))):
                rows = connection.execute(_inputs(), {"within": collection.id, "keys": part})
                found.update((key, StoredInput(*values)) for key, *values in rows)
        return found

    def owners(self, collection: Collection, keys: Iterable[str]) -> dict[str, str]:
        """The source of each living document among `keys`."""
        return {row.key: row.source for row in self._living(collection, keys, schema.documents.c.source)}

    def readers(self, collection: Collection, keys: Iterable[str], source: str) -> dict[str, tuple[str, ...] | None]:
        """The groups of each living document among `keys` that is the source's; None: the collection's default."""
        d = schema.documents.c
        rows = self._living(collection, keys, d.acl, d.source == source)
        return {row.key: None if row.acl is None else tuple(row.acl) for row in rows}

    def readable(self, collection: Collection, keys: Iterable[str], principal: Principal) -> set[str]:
        """Those of the keys whose document lives and may be read by the caller."""
        rows = self._living(collection, keys, schema.documents.c.acl)
        return {row.key for row in rows if may_read(readers(collection, row.acl), principal)}

    def texts(self, collection: Collection, keys: Iterable[str]) -> dict[str, str]:
        """The text of each living document among `keys`. All are held at once, so ask for few."""
        d, t = schema.documents.c, schema.document_texts.c
        its_text = (t.collection_id == d.collection_id) & (t.number == d.number)
        return {row.key: row.text for row in self._living(collection, keys, t.text, its_text)}

    def count_of(self, collection: Collection, source: str) -> int:
        """How many living documents a source brought."""
        c = schema.documents.c
        mine = (c.collection_id == collection.id) & (c.source == source) & sa.not_(c.deleted)
        with reading(self._engine) as connection:
            return connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one()

    def counts(self, collection: Collection) -> tuple[int, int]:
        """(living documents, chunks)."""
        d, c = schema.documents.c, schema.chunks.c
        with reading(self._engine) as connection:
            living = sa.select(sa.func.count()).where(d.collection_id == collection.id, d.deleted.is_(False))
            cut = sa.select(sa.func.count()).where(c.collection_id == collection.id, c.chunking == collection.chunking)
            return connection.execute(living).scalar_one(), connection.execute(cut).scalar_one()

    def _living(
        self, collection: Collection, keys: Iterable[str], column: sa.Column[Any], *conditions: sa.ColumnElement[bool]
    ) -> Iterator[sa.Row[Any]]:
        """(key, column) of each living document among `keys` for which the conditions hold."""
        d = schema.documents.c
        living = (d.collection_id == collection.id, d.deleted.is_(False))
        query: sa.Select[Any] = sa.select(d.key, column).where(*living, *conditions)
        with reading(self._engine) as connection:
            for part in in_parts(sorted(set(keys))):
                yield from connection.execute(query.where(d.key.in_(part)))


def _readable(connection: sa.Connection, collection: Collection, key: str, principal: Principal) -> StoredVersion:
    row = connection.execute(_with_text(collection, key)).one_or_none()
    if row is None or not may_read(readers(collection, row.acl), principal):
        raise NotFoundError(f"document {key!r} does not exist in collection {collection.name!r}")
    cut = _chunk_counts(connection, collection, [row.number])
    return _version(row, cut.get(row.number, 0), row.text, row.outline)


def _chunks(connection: sa.Connection, collection: Collection, key: str) -> list[tuple[int, Chunk]]:
    c, d = schema.chunks.c, schema.documents.c
    joined = schema.chunks.join(schema.documents, (d.collection_id == c.collection_id) & (d.number == c.document))
    query = (
        sa.select(c.label, c.ordinal, c.text, c.start, c.end, c.heading, c.page)
        .select_from(joined)
        .where(c.collection_id == collection.id, c.chunking == collection.chunking, d.key == key)
        .order_by(c.ordinal)
    )
    return [(row[0], Chunk(*row[1:])) for row in connection.execute(query)]


@cache  # made once: every batch of changes begins with it
def _inputs() -> sa.Select[Any]:
    d = schema.documents.c
    return sa.select(d.key, d.input_hash, d.title, d.language, d.content_hash).where(
        d.collection_id == sa.bindparam("within"),
        d.key.in_(sa.bindparam("keys", expanding=True)),
        d.deleted.is_(False),
    )


def _read(values: Sequence[Any], readers: Sequence[Reader | None]) -> Iterator[Any]:
    return (value if read is None else read(value) for value, read in zip(values, readers, strict=True))


@dataclass(frozen=True, slots=True)
class _Lists:
    """A list of numbers as one bound value, `numbers`: an array in PostgreSQL, a JSON text in SQLite."""

    dialect: str

    def value(self, numbers: Sequence[int]) -> Any:
        return list(numbers) if self.dialect == "postgresql" else orjson.dumps(list(numbers)).decode()

    def holds(self, column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        if self.dialect == "postgresql":
            return column == sa.any_(sa.bindparam("numbers", type_=ARRAY(sa.BigInteger)))
        listed = sa.func.json_each(sa.bindparam("numbers", type_=sa.Text)).table_valued("value")
        return column.in_(sa.select(listed.c.value))


def _visible_chunks(lists: _Lists) -> sa.Select[Any]:
    """One statement for any number of labels: the hot path compiles nothing."""
    c, d = schema.chunks.c, schema.documents.c
    joined = schema.chunks.join(schema.documents, (d.collection_id == c.collection_id) & (d.number == c.document))
    return (
        sa.select(
            d.acl,
            c.label,
            c.document,
            c.ordinal,
            c.text,
            c.start,
            c.end,
            c.heading,
            c.page,
            d.key,
            d.title,
            d.uri,
            d.source,
            d.table_name,
            d.language,
            d.metadata.label("document_metadata"),
            d.position,
            d.version,
            d.committed_at,
            d.cataloged_at,
        )
        .select_from(joined)
        .where(
            c.collection_id == sa.bindparam("collection"),
            lists.holds(c.label),
            d.deleted.is_(False),
        )
    )


def _with_text(collection: Collection, key: str) -> sa.Select[Any]:
    d, t = schema.documents.c, schema.document_texts.c
    joined = schema.documents.join(schema.document_texts, (t.collection_id == d.collection_id) & (t.number == d.number))
    query = sa.select(schema.documents, t.text, t.outline).select_from(joined)
    return query.where(d.collection_id == collection.id, d.deleted.is_(False), d.key == key)


def _chunk_counts(connection: sa.Connection, collection: Collection, numbers: Sequence[int]) -> dict[int, int]:
    """Document -> how many chunks it is cut into; without those that have none."""
    c = schema.chunks.c
    mine = (c.collection_id == collection.id, c.chunking == collection.chunking)
    query = sa.select(c.document, sa.func.count()).where(*mine).group_by(c.document)
    parts = (connection.execute(query.where(c.document.in_(part))) for part in in_parts(numbers))
    return {document: count for part in parts for document, count in part}


def _narrowed(
    query: sa.Select[Any], source: str | None, prefix: str, words: str, language: str | None
) -> sa.Select[Any]:
    d = schema.documents.c
    query = query if source is None else query.where(d.source == source)
    query = query if language is None else query.where(d.language == language)
    query = query.where(d.key.startswith(prefix, autoescape=True)) if prefix else query
    if words:
        query = query.where(d.key.icontains(words, autoescape=True) | d.title.icontains(words, autoescape=True))
    return query


def document_of(
    row: sa.Row[Any],
    text: str = "",
    outline: Sequence[Sequence[Any]] = (),
    position: SourcePosition | None = None,
) -> Document:
    """The document of a row of `documents` or of their former versions."""
    return Document(
        key=row.key,
        text=text,
        title=row.title,
        source=row.source,
        table=row.table_name,
        uri=row.uri,
        language=row.language,
        metadata=row._mapping["metadata"],
        acl=None if row.acl is None else tuple(row.acl),
        outline=tuple(Block.from_row(block) for block in outline),
        position=position,
        committed_at=row.committed_at,
    )


def _version(row: sa.Row[Any], chunks: int, text: str = "", outline: Sequence[Sequence[Any]] = ()) -> StoredVersion:
    position = None if row.position is None else SourcePosition.decode(row.position)
    document = document_of(row, text, outline, position)
    return StoredVersion(row.number, document, row.version, row.seq, row.cataloged_at, chunks)
