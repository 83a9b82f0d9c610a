"""The operation log as the views read it: what changed since a seq, or everything that is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from pyroaring import BitMap64

from retrieval.catalog import schema
from retrieval.catalog.batching import in_parts
from retrieval.catalog.collections import Collection
from retrieval.catalog.documents import own_fields
from retrieval.catalog.embeddings import load_vectors
from retrieval.catalog.engine import reading
from retrieval.errors import LogPrunedError, NotFoundError
from retrieval.types import IndexedChunk, ViewBatch

OPERATIONS_PER_BATCH = 10_000  # of one document each; those that change the same one become one
CHUNKS_PER_BATCH = 5_000  # and one document more: a long document must come whole
FEW_OPERATIONS = 100  # whose chunks are counted at once; not at all where that is all there is, as usually


@dataclass(frozen=True, slots=True)
class CatalogState:
    """The catalog's side of a verification. `unembedded` are labels whose passage has no embedding yet.

    `changed` are labels that came, left or were described otherwise after the operation that was asked about.
    """

    seq: int
    documents: int
    labels: BitMap64
    unembedded: BitMap64
    changed: BitMap64


class OperationLog:
    """Reads the log of one catalog. Batches reflect the catalog's present state, so replaying any range is harmless.

    A batch holds the chunks and vectors of the collection's generation (`Collections.seen_by`) and no other's.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def since(self, collection: Collection, seq: int, embedded: BitMap64 | None) -> Iterator[ViewBatch]:
        """Batches that bring views from `seq` to the newest operation.

        Vectors come for labels not in `embedded`; None: for none of them. Raises `LogPrunedError` when operations
        after `seq` are no longer kept: then `everything` is the way.
        """
        is_last = False
        while not is_last:
            batch, is_last = self._next(collection, seq, embedded)
            if batch is not None:
                yield batch
                seq = batch.seq

    def everything(self, collection: Collection, held: BitMap64, embedded: BitMap64 | None) -> Iterator[ViewBatch]:
        """Batches that bring views of any state to the present one; the last carries the seq reached."""
        with reading(self._engine) as connection:
            seq = connection.execute(
                sa.select(schema.collections.c.last_seq).where(schema.collections.c.id == collection.id)
            ).scalar_one()
            mark = _mark_of(connection, collection, seq)
            labels = BitMap64(connection.execute(_labels(collection)).scalars())
            gone = list(held - labels)
            after = 0
            while rows := connection.execute(_chunk_query(collection, after)).all():
                yield ViewBatch(0, gone, self._index(connection, collection, rows, embedded), state=seq)
                gone, after = [], rows[-1].label
        yield ViewBatch(seq, gone, [], mark=mark)

    def state(self, collection: Collection, since: int | None = None) -> CatalogState:
        """What views of this collection should hold, read at one moment; `changed` after `since`, None: nothing."""
        c, d, e = schema.chunks.c, schema.documents.c, schema.embeddings.c
        mine = _labels(collection)
        embedded = sa.exists().where(e.fingerprint == collection.encoder_fingerprint, e.text_hash == c.text_hash)
        living = sa.select(sa.func.count()).where(d.collection_id == collection.id, d.deleted.is_(False))
        last = sa.select(schema.collections.c.last_seq).where(schema.collections.c.id == collection.id)
        with reading(self._engine) as connection:
            return CatalogState(
                seq=connection.execute(last).scalar_one(),
                documents=connection.execute(living).scalar_one(),
                labels=BitMap64(connection.execute(mine).scalars()),
                unembedded=BitMap64(connection.execute(mine.where(~embedded)).scalars()),
                changed=BitMap64() if since is None else _changed(connection, collection, since),
            )

    def holds(self, collection: Collection, seq: int, mark: str) -> bool:
        """Whether operation `seq` is the one with that mark; "": any of that number.

        False for a catalog that was put back to before it, also where others took its number since, and for an
        operation that is no longer kept: nobody can tell then.
        """
        last = sa.select(schema.collections.c.last_seq).where(schema.collections.c.id == collection.id)
        with reading(self._engine) as connection:
            newest = connection.execute(last).scalar_one_or_none()
            if newest is None:
                raise _dropped(collection)
            return seq <= newest and (not mark or not seq or _mark_of(connection, collection, seq) == mark)

    def text_hashes(self, collection: Collection, labels: BitMap64) -> set[str]:
        """What the embeddings of these chunks are stored under."""
        c = schema.chunks.c
        query = sa.select(c.text_hash).where(c.collection_id == collection.id)
        with reading(self._engine) as connection:
            parts = in_parts(list(labels))
            return {found for part in parts for found in connection.execute(query.where(c.label.in_(part))).scalars()}

    def _next(self, collection: Collection, seq: int, embedded: BitMap64 | None) -> tuple[ViewBatch | None, bool]:
        """The next batch, if there is one, and whether it is the last of those that were committed when it was read."""
        with reading(self._engine) as connection:
            asked = {"within": collection.id, "after": seq, "most": OPERATIONS_PER_BATCH}
            operations = connection.execute(_operations(), asked).all()
            if not operations or operations[0].seq != seq + 1:
                _check_kept(connection, collection, seq)
            if not operations:
                return None, True
            is_last = len(operations) < OPERATIONS_PER_BATCH
            mine = {"within": collection.id, "cut": collection.chunking}
            if len(operations) > FEW_OPERATIONS:
                fitting = _fitting(connection, collection.id, operations)
                operations, is_last = operations[:fitting], is_last and fitting == len(operations)
            removed = [label for operation in operations for label in operation.removed]
            numbers = sorted({operation.document for operation in operations})
            parts = in_parts(numbers)
            rows = [row for part in parts for row in connection.execute(_chunks_of(), {**mine, "numbers": part})]
            added, last = self._index(connection, collection, rows, embedded), operations[-1]
            batch = ViewBatch(last.seq, removed, added, mark=_mark(last.at))
            return batch, is_last

    def _index(
        self, connection: sa.Connection, collection: Collection, rows: Sequence[sa.Row[Any]], embedded: BitMap64 | None
    ) -> list[IndexedChunk]:
        wanted = set() if embedded is None else {row.text_hash for row in rows if row.label not in embedded}
        vectors = load_vectors(connection, collection.encoder_fingerprint, wanted)
        default_acl = tuple(_default_acl(connection, collection)) if any(row.acl is None for row in rows) else ()
        return [
            IndexedChunk(
                label=row.label,
                document=row.document,
                title=row.title,
                heading=row.heading,
                text=row.text,
                vector=vectors.get(row.text_hash),
                groups=default_acl if row.acl is None else tuple(row.acl),
                metadata=row.metadata | own_fields(row.source, row.table_name, row.language, row.key),
            )
            for row in rows
        ]


def _columns() -> sa.Select[Any]:
    c, d = schema.chunks.c, schema.documents.c
    joined = schema.chunks.join(schema.documents, (d.collection_id == c.collection_id) & (d.number == c.document))
    return sa.select(
        c.label,
        c.document,
        c.heading,
        c.text,
        c.text_hash,
        d.title,
        d.acl,
        d.metadata.label("metadata"),
        d.source,
        d.table_name,
        d.language,
        d.key,
    ).select_from(joined)


def _mark_of(connection: sa.Connection, collection: Collection, seq: int) -> str:
    """What operation `seq` is recognised by; "" where it is no longer kept."""
    o = schema.operations.c
    at = connection.execute(sa.select(o.at).where(o.collection_id == collection.id, o.seq == seq)).scalar_one_or_none()
    return "" if at is None else _mark(at)


def _mark(at: datetime) -> str:
    """The moment, to the microsecond: whatever takes the operation's number later has another."""
    return at.isoformat(timespec="microseconds")


def _labels(collection: Collection) -> sa.Select[Any]:
    c = schema.chunks.c
    return sa.select(c.label).where(c.collection_id == collection.id, c.chunking == collection.chunking)


def _changed(connection: sa.Connection, collection: Collection, since: int) -> BitMap64:
    """Labels that operations after `since` took away, and those that their documents have now."""
    o = schema.operations.c
    query = sa.select(o.document, o.removed).where(o.collection_id == collection.id, o.seq > since)
    operations = connection.execute(query).all()
    found = BitMap64([label for operation in operations for label in operation.removed])
    for part in in_parts(sorted({operation.document for operation in operations})):
        found.update(connection.execute(_labels(collection).where(schema.chunks.c.document.in_(part))).scalars())
    return found


@cache  # made once: the views of a live collection run them many times a second
def _operations() -> sa.Select[Any]:
    c = schema.operations.c
    return (
        sa.select(c.seq, c.document, c.removed, c.at)
        .where(c.collection_id == sa.bindparam("within"), c.seq > sa.bindparam("after"))
        .order_by(c.seq)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )


@cache
def _chunks_of() -> sa.Select[Any]:
    c = schema.chunks.c
    mine = _columns().where(c.collection_id == sa.bindparam("within"), c.chunking == sa.bindparam("cut"))
    return mine.where(c.document.in_(sa.bindparam("numbers", expanding=True))).order_by(c.label)


@cache
def _counts_of() -> sa.Select[Any]:
    """Chunks by document, those of other cuttings included: so the index alone tells."""
    c = schema.chunks.c
    mine = (c.collection_id == sa.bindparam("within"), c.document.in_(sa.bindparam("numbers", expanding=True)))
    return sa.select(c.document, sa.func.count()).where(*mine).group_by(c.document)


def _fitting(connection: sa.Connection, collection_id: int, operations: Sequence[sa.Row[Any]]) -> int:
    """How many of the operations, from the first on, make a batch that fits into memory; one at least."""
    counted: set[int] = set()
    chunks = 0
    for start in range(0, len(operations), FEW_OPERATIONS):
        stretch = operations[start : start + FEW_OPERATIONS]
        numbers = sorted({operation.document for operation in stretch} - counted)
        found = connection.execute(_counts_of(), {"within": collection_id, "numbers": numbers}) if numbers else ()
        counts: dict[int, int] = {document: count for document, count in found}
        for at, operation in enumerate(stretch, start):
            if operation.document not in counted:
                counted.add(operation.document)
                chunks += counts.get(operation.document, 0)
                if chunks > CHUNKS_PER_BATCH and at:
                    return at
    return len(operations)


def _chunk_query(collection: Collection, after: int) -> sa.Select[Any]:
    c = schema.chunks.c
    mine = _columns().where(c.collection_id == collection.id, c.chunking == collection.chunking)
    return mine.where(c.label > after).order_by(c.label).limit(CHUNKS_PER_BATCH)


def _dropped(collection: Collection) -> NotFoundError:
    return NotFoundError(f"collection {collection.name!r} was dropped")


def _default_acl(connection: sa.Connection, collection: Collection) -> Sequence[str]:
    """As it is in this transaction: the caller's record may be older than the operation that tells of the change."""
    query = sa.select(schema.collections.c.settings).where(schema.collections.c.id == collection.id)
    settings = connection.execute(query).scalar_one_or_none()
    if settings is None:
        raise _dropped(collection)
    acl: Sequence[str] = settings["default_acl"]
    return acl


def _check_kept(connection: sa.Connection, collection: Collection, seq: int) -> None:
    """Operations are numbered without a gap, so one that is absent was pruned. Raises `LogPrunedError`."""
    c, o = schema.collections.c, schema.operations.c
    last = connection.execute(sa.select(c.last_seq).where(c.id == collection.id)).scalar_one_or_none()
    if last is None:
        raise _dropped(collection)
    if last <= seq:
        return
    following = sa.select(sa.func.min(o.seq)).where(o.collection_id == collection.id, o.seq > seq)
    if connection.execute(following).scalar_one() != seq + 1:  # else it was committed between the two statements
        raise LogPrunedError(
            f"operation {seq + 1} of collection {collection.name!r} is no longer kept; "
            "a view that had come no further is built again from the catalog"
        )
