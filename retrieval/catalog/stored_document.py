"""A stored document while a commit decides over it: what it was, what it becomes, which labels come and go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.batching import in_parts
from retrieval.types import Chunk, Deletion, Document, SourcePosition

Cuts = Mapping[int, Sequence[tuple[Chunk, str]]]  # chunking -> its chunks in order, each with its text hash


@dataclass(slots=True)
class StoredDocument:
    """One document row with the labels of its chunks; `dirty` when the row must be written."""

    number: int
    key: str
    source: str = ""
    table: str = ""
    title: str = ""
    uri: str | None = None
    language: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    acl: list[str] | None = None
    position: SourcePosition | None = None
    content_hash: str = ""
    input_hash: str = ""
    version: int = 0
    deleted: bool = True
    seq: int = 0
    committed_at: datetime | None = None
    labels: list[tuple[int, int, str]] = field(default_factory=list)  # (label, chunking, text hash) as they stand
    text: str | None = None  # None: as stored
    outline: list[Any] = field(default_factory=list)
    chunks: list[tuple[int, int, Chunk, str]] = field(default_factory=list)  # as labels, with the chunk; to be written
    stored_labels: frozenset[int] = frozenset()
    cataloged_at: datetime | None = None
    dirty: bool = False
    reaches_views: bool = False

    @classmethod
    def new(cls, number: int, key: str) -> StoredDocument:
        """A document that the catalog has not seen yet."""
        return cls(number=number, key=key, dirty=True)

    @property
    def removed_labels(self) -> list[int]:
        """Labels the catalog holds that the document no longer has."""
        return sorted(self.stored_labels - {label for label, _, _ in self.labels})

    def is_newer_than(self, source: str, position: SourcePosition | None) -> bool:
        """Whether a change at that position comes too late. Only positions of one source compare."""
        if position is None or self.position is None or self.source != source:
            return False
        return self.position > position

    def confirm(self, position: SourcePosition | None, input_hash: str) -> None:
        """Remember how new the (unchanged) content is, and as what it came last."""
        if position is not None and position != self.position:
            self.position = position
            self.dirty = True
        if input_hash != self.input_hash:
            self.input_hash = input_hash
            self.dirty = True

    def bury(self, deletion: Deletion) -> None:
        """Become a tombstone at the deletion's position."""
        same_source = self.source == deletion.source
        self.position = deletion.position or (self.position if same_source else None)
        self.source = deletion.source
        self.committed_at = deletion.committed_at
        self.dirty = True
        if self.deleted:
            return
        self.deleted = True
        self.version += 1
        self.title, self.uri, self.metadata, self.content_hash = "", None, {}, ""
        self.input_hash = ""
        self.text, self.outline = "", []
        self.labels, self.chunks = [], []
        self.reaches_views = True

    def as_document(self, acl: Sequence[str] | None) -> Document:
        """What is stored of the document but its text, for other readers."""
        return Document(
            self.key,
            "",
            self.title,
            self.source,
            self.table,
            self.uri,
            self.language,
            self.metadata,
            None if acl is None else tuple(acl),
            position=self.position,
            committed_at=self.committed_at,
        )

    def replace_metadata(self, document: Document, content_hash: str) -> bool:
        """Take over everything but text and chunks; whether the title, which is encoded with the chunks, changed."""
        title_changed = self.title != document.title
        same_source = self.source == document.source
        self.position = document.position or (self.position if same_source else None)
        self.source, self.table, self.title, self.uri = document.source, document.table, document.title, document.uri
        self.language, self.metadata = document.language, dict(document.metadata)
        self.acl = None if document.acl is None else sorted(set(document.acl))
        self.content_hash, self.committed_at = content_hash, document.committed_at
        self.version += 1
        self.deleted = False
        self.dirty = self.reaches_views = True
        return title_changed

    def rewrite(self, document: Document, input_hash: str) -> None:
        """Take over the text."""
        self.text, self.outline = document.text, [block.to_row() for block in document.outline]
        self.input_hash = input_hash

    def replace_chunks(self, cuts: Cuts, next_label: Callable[[], int]) -> bool:
        """Keep the labels of chunks whose passage is still there, number the others anew; whether any is new or gone.

        A label names one passage forever, so that views need not look twice at it. Chunks of a chunking that `cuts`
        lacks are gone: they would be of the former text.
        """
        reusable: dict[tuple[int, str], list[int]] = defaultdict(list)
        for label, chunking, passage_hash in reversed(self.labels):
            reusable[chunking, passage_hash].append(label)
        before = {label for label, _, _ in self.labels}
        self.chunks = []
        for chunking, cut in cuts.items():
            for chunk, passage_hash in cut:
                free = reusable[chunking, passage_hash]
                self.chunks.append((free.pop() if free else next_label(), chunking, chunk, passage_hash))
        self.labels = [(label, chunking, passage_hash) for label, chunking, _, passage_hash in self.chunks]
        return {label for label, _, _ in self.labels} != before

    def row(self, collection_id: int, now: datetime) -> dict[str, Any]:
        """The documents row."""
        if self.reaches_views or self.cataloged_at is None:
            self.cataloged_at = now
        return {
            "collection_id": collection_id,
            "number": self.number,
            "key": self.key,
            "source": self.source,
            "table_name": self.table,
            "title": self.title,
            "uri": self.uri,
            "language": self.language,
            "metadata": self.metadata,
            "acl": self.acl,
            "position": None if self.position is None else self.position.encode(),
            "content_hash": self.content_hash,
            "input_hash": self.input_hash,
            "version": self.version,
            "deleted": self.deleted,
            "seq": self.seq,
            "committed_at": self.committed_at,
            "cataloged_at": self.cataloged_at,
        }

    def text_row(self, collection_id: int) -> dict[str, Any]:
        """The document_texts row."""
        return {"collection_id": collection_id, "number": self.number, "text": self.text, "outline": self.outline}

    def chunk_rows(self, collection_id: int) -> list[dict[str, Any]]:
        """The chunks rows, kept labels included: their place in the document may have moved."""
        return [
            {
                "collection_id": collection_id,
                "label": label,
                "document": self.number,
                "chunking": chunking,
                "ordinal": chunk.ordinal,
                "start": chunk.start,
                "end": chunk.end,
                "page": chunk.page,
                "heading": chunk.heading,
                "text_hash": passage_hash,
                "text": chunk.text,
            }
            for label, chunking, chunk, passage_hash in self.chunks
        ]


def load_stored(connection: sa.Connection, collection_id: int, keys: set[str]) -> dict[str, StoredDocument]:
    """The documents of these keys, tombstones included, with their labels."""
    found: dict[str, StoredDocument] = {}
    documents, labels = _loading()
    for part in in_parts(sorted(keys)):
        for row in connection.execute(documents, {"within": collection_id, "keys": part}):
            found[row.key] = _stored(row)
    by_number = {document.number: document for document in found.values()}
    for numbers in in_parts(sorted(by_number)):
        for number, *label in connection.execute(labels, {"within": collection_id, "numbers": numbers}):
            by_number[number].labels.append((label[0], label[1], label[2]))
    for document in found.values():
        document.stored_labels = frozenset(label for label, _, _ in document.labels)
    return found


@cache  # made once: every commit runs them
def _loading() -> tuple[sa.Select[Any], sa.Select[Any]]:
    """Documents by key, and the labels of documents by number."""
    d, c = schema.documents.c, schema.chunks.c
    documents = sa.select(schema.documents).where(
        d.collection_id == sa.bindparam("within"), d.key.in_(sa.bindparam("keys", expanding=True))
    )
    labels = (
        sa.select(c.document, c.label, c.chunking, c.text_hash)
        .where(c.collection_id == sa.bindparam("within"), c.document.in_(sa.bindparam("numbers", expanding=True)))
        .order_by(c.document, c.ordinal)
    )
    return documents, labels


def _stored(row: sa.Row[Any]) -> StoredDocument:
    return StoredDocument(
        number=row.number,
        key=row.key,
        source=row.source,
        table=row.table_name,
        title=row.title,
        uri=row.uri,
        language=row.language,
        metadata=row.metadata,
        acl=row.acl,
        position=None if row.position is None else SourcePosition.decode(row.position),
        content_hash=row.content_hash,
        input_hash=row.input_hash,
        version=row.version,
        deleted=row.deleted,
        seq=row.seq,
        committed_at=row.committed_at,
        cataloged_at=row.cataloged_at,
    )
