"""The one way documents enter or leave the catalog: a batch becomes one transaction.

Order within it: lock the collection, refuse a reader that was overtaken, decide each change against what is stored,
keep what is overwritten as a former version, write documents and chunks, embeddings, the operation log, the source's
cursor or offsets and the dead letters; then commit. Nothing else commits documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import FIRST_CHUNKING
from retrieval.catalog.embeddings import write_vectors
from retrieval.catalog.engine import writing
from retrieval.catalog.notices import notify
from retrieval.catalog.offsets import OffsetAdvance, RowsRead, advance_offsets, check_rows_version
from retrieval.catalog.rows import RowWrite, write_rows
from retrieval.catalog.source_tables import TableWrite
from retrieval.catalog.stored_document import StoredDocument, load_stored
from retrieval.catalog.upsert import upsert
from retrieval.catalog.versions import KEPT_VERSIONS, keep_former
from retrieval.errors import NotFoundError, OvertakenError
from retrieval.types import Chunk, Deletion, Document, Vector, text_hash


class Outcome(StrEnum):
    """What a change did."""

    CREATED = "created"
    UPDATED = "updated"  # text changed: chunks were replaced
    METADATA = "metadata"  # only what surrounds the text changed: nothing to embed
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    STALE = "stale"  # older than what is stored: ignored
    ABSENT = "absent"  # deletion of something that is not there


@dataclass(frozen=True, slots=True)
class Upsert:
    """A document as it is now, cut into chunks; None: title, text and chunks are those stored under `input_hash`.

    `input_hash` is two digests, `as it came:as it is kept`; "" where text need never be known again.
    """

    document: Document
    chunks: Sequence[Chunk] | None
    input_hash: str = ""
    others: Mapping[int, Sequence[Chunk]] = field(default_factory=dict)  # as cut for other generations, by chunking


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Another list of groups for a document as the transaction finds it; None: the collection's default."""

    key: str
    acl: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An input that could not become a document, kept for a person to look at."""

    source: str
    key: str
    reason: str
    remedy: str = ""
    position: str | None = None
    payload: bytes | None = None
    topic: str | None = None  # where a message came from
    partition: int | None = None
    offset: int | None = None
    message_key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that one transaction writes."""

    changes: Sequence[Upsert | Deletion] = ()
    fingerprint: str = ""
    vectors: Mapping[str, Vector] = field(default_factory=dict)  # by text hash
    other_vectors: Mapping[str, Mapping[str, Vector]] = field(default_factory=dict)  # fingerprint -> text hash
    chunking: int = FIRST_CHUNKING  # of the changes' chunks
    epoch: int | None = None  # of the collection when the changes were prepared; None: whatever it is
    cursor: tuple[str, str] | None = None  # (source, how far it has been read)
    dead_letters: Sequence[DeadLetter] = ()
    rows: Sequence[RowWrite | TableWrite] = ()  # of source tables, and the tables themselves
    offsets: Sequence[OffsetAdvance] = ()  # of the partitions that the changes came from
    rows_read: RowsRead | None = None  # what joins were rendered from; None where nothing is joined
    access: Sequence[AccessChange] = ()  # made after the changes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a commit did; a search with `min_seq=seq` sees it."""

    seq: int
    outcomes: tuple[Outcome, ...]
    collection_id: int

    def counts(self) -> Counter[Outcome]:
        """How many changes had each outcome."""
        return Counter(self.outcomes)


class Writer:
    """Commits batches to one catalog."""

    def __init__(self, engine: sa.Engine, kept_versions: int = KEPT_VERSIONS) -> None:
        self._engine = engine
        self._kept_versions = kept_versions  # former ones, of each document

    def commit(self, collection_id: int, commit: Commit) -> Receipt:
        """Write a batch, all or nothing.

        Raises `NotFoundError` (collection dropped, or the source of the rows deleted), `OvertakenError` (another reader
        was faster, or what a commit must carry changed since this one was prepared), `OutageError` (repeat later).
        """
        with writing(self._engine) as connection:
            counters = _lock(connection, collection_id, commit.epoch)
            advance_offsets(connection, commit.offsets)
            check_rows_version(connection, commit.rows_read)
            keys = {_key(change) for change in commit.changes} | {change.key for change in commit.access}
            stored = load_stored(connection, collection_id, keys)
            outcomes = (
                *(_apply(stored, change, commit.chunking, counters) for change in commit.changes),
                *(_apply_access(stored.get(change.key), change) for change in commit.access),
            )
            dirty = [document for document in stored.values() if document.dirty]
            overwritten = [document.number for document in dirty if document.text is not None and document.version > 1]
            keep_former(connection, collection_id, overwritten, schema.utc_now(), self._kept_versions)
            _write_documents(connection, collection_id, dirty, counters)
            write_vectors(connection, commit.fingerprint, commit.vectors)
            for fingerprint, vectors in commit.other_vectors.items():
                write_vectors(connection, fingerprint, vectors)
            _write_counters(connection, collection_id, counters)
            _write_cursor(connection, collection_id, commit.cursor)
            _write_dead_letters(connection, collection_id, commit.dead_letters)
            _write_rows(connection, commit.rows)
            notify(connection, collection_id)
        return Receipt(counters.last_seq, outcomes, collection_id)


@dataclass(slots=True)
class _Counters:
    last_seq: int
    last_document: int
    last_label: int

    def next_document(self) -> int:
        self.last_document += 1
        return self.last_document

    def next_label(self) -> int:
        self.last_label += 1
        return self.last_label


def _lock(connection: sa.Connection, collection_id: int, epoch: int | None) -> _Counters:
    row = connection.execute(_locking(), {"within": collection_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"collection number {collection_id} was dropped while it was written to")
    if epoch is not None and epoch != row.epoch:
        raise OvertakenError(
            f"collection number {collection_id} was at epoch {epoch} when the changes were prepared and is at "
            f"{row.epoch} now: its generations changed; nothing was written, prepare the changes anew"
        )
    return _Counters(row.last_seq, row.last_document, row.last_label)


@cache  # made once: every commit runs it
def _locking() -> sa.Select[Any]:
    c = schema.collections.c
    counters = sa.select(c.epoch, c.last_seq, c.last_document, c.last_label)
    return counters.where(c.id == sa.bindparam("within")).with_for_update()


def _key(change: Upsert | Deletion) -> str:
    return change.key if isinstance(change, Deletion) else change.document.key


def _apply(stored: dict[str, StoredDocument], change: Upsert | Deletion, chunking: int, counters: _Counters) -> Outcome:
    key = _key(change)
    known = stored.get(key)
    incoming = change if isinstance(change, Deletion) else change.document
    if known is not None and known.is_newer_than(incoming.source, incoming.position):
        return Outcome.STALE
    if isinstance(change, Deletion):
        return _apply_deletion(stored, change, known, counters)
    return _apply_upsert(stored, change, known, chunking, counters)


def _apply_access(known: StoredDocument | None, change: AccessChange) -> Outcome:
    if known is None or known.deleted:
        return Outcome.ABSENT
    document = known.as_document(change.acl)
    content_hash = document.content_hash(known.input_hash.partition(":")[2])
    if known.content_hash == content_hash:
        return Outcome.UNCHANGED
    known.replace_metadata(document, content_hash)
    return Outcome.METADATA


def _apply_deletion(
    stored: dict[str, StoredDocument], change: Deletion, known: StoredDocument | None, counters: _Counters
) -> Outcome:
    if known is None:  # remember it: an older insert may still be under way
        if change.position is not None:
            tombstone = StoredDocument.new(counters.next_document(), change.key)
            tombstone.bury(change)
            tombstone.version = 1
            stored[change.key] = tombstone
        return Outcome.ABSENT
    was_deleted = known.deleted
    known.bury(change)
    return Outcome.ABSENT if was_deleted else Outcome.DELETED


def _apply_upsert(
    stored: dict[str, StoredDocument],
    change: Upsert,
    known: StoredDocument | None,
    chunking: int,
    counters: _Counters,
) -> Outcome:
    document = change.document
    content_hash = document.content_hash(change.input_hash.partition(":")[2])
    if change.chunks is None and (known is None or known.deleted or known.input_hash != change.input_hash):
        raise OvertakenError(f"the text of document {document.key!r} changed meanwhile; prepare the change anew")
    if known is None:
        known = StoredDocument.new(counters.next_document(), document.key)
        stored[document.key] = known
    elif not known.deleted and known.content_hash == content_hash and known.source == document.source:
        known.confirm(document.position, change.input_hash)
        return Outcome.UNCHANGED
    is_new = known.deleted
    title_changed = known.replace_metadata(document, content_hash)
    if change.chunks is None:
        return Outcome.METADATA
    known.rewrite(document, change.input_hash)
    cuts = {chunking: change.chunks, **change.others}
    hashed = {
        number: [(chunk, text_hash(chunk.passage(document.title))) for chunk in cut] for number, cut in cuts.items()
    }
    chunks_changed = known.replace_chunks(hashed, counters.next_label)
    if is_new:
        return Outcome.CREATED
    return Outcome.UPDATED if title_changed or chunks_changed else Outcome.METADATA


def _write_documents(
    connection: sa.Connection, collection_id: int, dirty: Sequence[StoredDocument], counters: _Counters
) -> None:
    if not dirty:
        return
    now = schema.utc_now()
    operations: list[dict[str, Any]] = []
    for document in dirty:
        if document.reaches_views:
            counters.last_seq += 1
            document.seq = counters.last_seq
            operations.append(
                {
                    "collection_id": collection_id,
                    "seq": document.seq,
                    "document": document.number,
                    "removed": document.removed_labels,
                    "at": now,
                }
            )
    upsert(connection, schema.documents, [d.row(collection_id, now) for d in dirty], ["collection_id", "number"])
    texts = [d.text_row(collection_id) for d in dirty if d.text is not None]
    upsert(connection, schema.document_texts, texts, ["collection_id", "number"])
    _delete_chunks(connection, collection_id, [label for d in dirty for label in d.removed_labels])
    upsert(
        connection,
        schema.chunks,
        [row for d in dirty for row in d.chunk_rows(collection_id)],
        ["collection_id", "label"],
    )
    if operations:
        connection.execute(schema.operations.insert(), operations)


def _delete_chunks(connection: sa.Connection, collection_id: int, labels: Sequence[int]) -> None:
    if labels:
        connection.execute(_chunk_gone(), [{"within": collection_id, "gone": label} for label in labels])


@cache
def _chunk_gone() -> sa.Delete:
    c = schema.chunks.c
    return schema.chunks.delete().where(c.collection_id == sa.bindparam("within"), c.label == sa.bindparam("gone"))


def _write_counters(connection: sa.Connection, collection_id: int, counters: _Counters) -> None:
    new = {
        "new_seq": counters.last_seq,
        "new_document": counters.last_document,
        "new_label": counters.last_label,
    }
    connection.execute(_counting(), {"within": collection_id, **new})


@cache
def _counting() -> sa.Update:
    return (
        schema.collections.update()
        .where(schema.collections.c.id == sa.bindparam("within"))
        .values(
            last_seq=sa.bindparam("new_seq"),
            last_document=sa.bindparam("new_document"),
            last_label=sa.bindparam("new_label"),
        )
    )


def _write_cursor(connection: sa.Connection, collection_id: int, cursor: tuple[str, str] | None) -> None:
    if cursor is None:
        return
    source, value = cursor
    changed = connection.execute(
        schema.sources.update()
        .where(schema.sources.c.collection_id == collection_id, schema.sources.c.name == source)
        .values(cursor=value, updated_at=schema.utc_now())
    )
    if changed.rowcount != 1:
        raise NotFoundError(f"source {source!r} is not registered in this collection; register it before it writes")


def _write_rows(connection: sa.Connection, rows: Sequence[RowWrite | TableWrite]) -> None:
    try:
        write_rows(connection, rows)
    except sa.exc.IntegrityError as error:  # rows and tables replace one another; all they must have is their source
        raise NotFoundError(
            f"the source of table {rows[0].table} was deleted while its rows were written; nothing of this batch was "
            "kept: make the source anew to read it"
        ) from error


def _write_dead_letters(connection: sa.Connection, collection_id: int, letters: Sequence[DeadLetter]) -> None:
    rows = {
        (letter.source, letter.key): {
            "collection_id": collection_id,
            "source": letter.source,
            "key": letter.key,
            "reason": letter.reason,
            "remedy": letter.remedy,
            "position": letter.position,
            "payload": letter.payload,
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "message_key": letter.message_key,
            "headers": letter.headers,
            "at": schema.utc_now(),
        }
        for letter in letters
    }
    upsert(connection, schema.dead_letters, list(rows.values()), ["collection_id", "source", "key"])
