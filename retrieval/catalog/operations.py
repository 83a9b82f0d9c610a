"""Writes operations that touch many documents at once, within a transaction that holds the collection."""

from __future__ import annotations

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.notices import notify


def log_default_rights(connection: sa.Connection, collection_id: int) -> None:
    """One operation for each living document without rights of its own: views read the new default with it."""
    c, d, o = schema.collections.c, schema.documents.c, schema.operations
    held = sa.select(c.last_seq).where(c.id == collection_id).with_for_update()
    last = connection.execute(held).scalar_one()
    guarded = (d.collection_id == collection_id, d.deleted.is_(False), d.acl.is_(None))
    seq = sa.literal(last, sa.BigInteger) + sa.func.row_number().over(order_by=d.number)
    rows = sa.select(
        d.collection_id, seq, d.number, sa.literal([], sa.JSON), sa.literal(schema.utc_now(), schema.UtcTime)
    ).where(*guarded)
    added = o.insert().from_select(["collection_id", "seq", "document", "removed", "at"], rows)
    options = {"preserve_rowcount": True}  # SQLAlchemy keeps it for updates only
    count = connection.execute(added, execution_options=options).rowcount
    advanced = schema.collections.update().where(c.id == collection_id).values(last_seq=last + count)
    connection.execute(advanced)
    notify(connection, collection_id)
