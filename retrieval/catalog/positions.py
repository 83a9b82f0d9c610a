"""How far shared indexes are: published by the process that writes one, read by all that search it."""

from __future__ import annotations

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.engine import reading_once, writing
from retrieval.catalog.notices import notify
from retrieval.catalog.upsert import upsert

_NOT_SYNCED = sa.text("SET LOCAL synchronous_commit TO off")


class Positions:
    """The operation that searches in a shared index see at least, by collection and index."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def publish(self, collection_id: int, index: str, seq: int) -> None:
        """Say that searches in the index see `seq`. It may fall: an index that was lost begins again."""
        row = {"collection_id": collection_id, "holder": index, "seq": seq, "at": schema.utc_now()}
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":  # a position that a crash forgets is read from the index again
                connection.execute(_NOT_SYNCED)
            upsert(connection, schema.view_positions, [row], ["collection_id", "holder"])
            notify(connection, collection_id)

    def read(self, collection_id: int, index: str) -> int:
        """The last published operation; 0 where none was."""
        c = schema.view_positions.c
        query = sa.select(c.seq).where(c.collection_id == collection_id, c.holder == index)
        with reading_once(self._engine) as connection:
            return int(connection.execute(query).scalar_one_or_none() or 0)
