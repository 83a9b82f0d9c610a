"""Writes operations that no change of a document brings, within a transaction that holds the collection."""

from __future__ import annotations

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.notices import notify

NO_DOCUMENT = 0  # documents are numbered from 1
COLUMNS = ["collection_id", "seq", "document", "removed", "at"]


def log_default_rights(connection: sa.Connection, collection_id: int) -> None:
    """One operation for each living document without rights of its own: views read the new default with it."""
    d, o = schema.documents.c, schema.operations
    last = _held(connection, collection_id)
    assert last is not None
    guarded = (d.collection_id == collection_id, d.deleted.is_(False), d.acl.is_(None))
    seq = sa.literal(last, sa.BigInteger) + sa.func.row_number().over(order_by=d.number)
    rows = sa.select(
        d.collection_id, seq, d.number, sa.literal([], sa.JSON), sa.literal(schema.utc_now(), schema.UtcTime)
    ).where(*guarded)
    added = o.insert().from_select(COLUMNS, rows)
    options = {"preserve_rowcount": True}  # SQLAlchemy keeps it for updates only
    count = connection.execute(added, execution_options=options).rowcount
    _reach(connection, collection_id, last + count)


def log_nothing(connection: sa.Connection, collection_id: int, seq: int) -> int | None:
    """Operations of no document until the log has reached `seq`; the newest operation, None where nothing is there.

    They leave no number out: one that is absent was pruned, and views would be built again.
    """
    last = _held(connection, collection_id)
    if last is None or last >= seq:
        return last
    numbers = sa.select(sa.literal(last + 1, sa.BigInteger).label("seq")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.seq + 1).where(numbers.c.seq < seq))
    nothing = (sa.literal(NO_DOCUMENT, sa.BigInteger), sa.literal([], sa.JSON))
    rows = sa.select(sa.literal(collection_id), numbers.c.seq, *nothing, sa.literal(schema.utc_now(), schema.UtcTime))
    connection.execute(schema.operations.insert().from_select(COLUMNS, rows))
    _reach(connection, collection_id, seq)
    return seq


def _held(connection: sa.Connection, collection_id: int) -> int | None:
    """The newest operation, which nobody else goes past until the transaction ends; None where nothing is there."""
    c = schema.collections.c
    held = sa.select(c.last_seq).where(c.id == collection_id).with_for_update()
    return connection.execute(held).scalar_one_or_none()


def _reach(connection: sa.Connection, collection_id: int, seq: int) -> None:
    connection.execute(schema.collections.update().where(schema.collections.c.id == collection_id).values(last_seq=seq))
    notify(connection, collection_id)
