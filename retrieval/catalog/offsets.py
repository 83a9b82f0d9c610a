"""How far each partition of a source's topics was read, kept in the transaction of what came from it.

Two workers may believe for a moment that a partition is theirs (a rebalance, a paused process). Each says from which
offset, and from which version of the source's rows, it started; the one that was overtaken cannot commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.engine import reading, reading_once
from retrieval.catalog.upsert import insert
from retrieval.errors import OvertakenError

Partition = tuple[str, int]  # topic, number


@dataclass(frozen=True, slots=True)
class OffsetAdvance:
    """A partition was read from `start` (what was stored; None: nothing) up to, not including, `end`."""

    source_id: int
    topic: str
    partition: int
    start: int | None
    end: int
    committed_at: datetime | None = None  # at the source, of the newest event that was read; None: as before


@dataclass(frozen=True, slots=True)
class RowsRead:
    """The version of a source's rows that joins were rendered from."""

    source_id: int
    version: int


def advance_offsets(connection: sa.Connection, advances: Sequence[OffsetAdvance]) -> None:
    """Move each partition on. Raises `OvertakenError` when one no longer stands where its reader began."""
    for advance in advances:
        values = {
            "next_offset": advance.end,
            "committed_at": advance.committed_at,
            "updated_at": schema.utc_now(),
        }
        if advance.start is None:
            named = {"source_id": advance.source_id, "topic": advance.topic, "partition": advance.partition}
            statement = insert(connection, schema.source_offsets).values(**named, **values)
            options = {"preserve_rowcount": True}  # SQLAlchemy keeps it for updates only
            moved = connection.execute(statement.on_conflict_do_nothing(), execution_options=options).rowcount
        else:
            here = {"of": advance.source_id, "in_topic": advance.topic, "number": advance.partition}
            new = {f"new_{name}": value for name, value in values.items()}
            moved = connection.execute(_advance(), {**here, "from": advance.start, **new}).rowcount
        if moved != 1:
            raise OvertakenError(
                f"partition {advance.partition} of topic {advance.topic} was read on by another worker since this one "
                f"began at offset {advance.start}; nothing was written, read the stored offset and go on from there"
            )


@cache  # made once: every batch of events runs it
def _advance() -> sa.Update:
    c = schema.source_offsets.c
    mine = (
        c.source_id == sa.bindparam("of"),
        c.topic == sa.bindparam("in_topic"),
        c.partition == sa.bindparam("number"),
    )
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in ("next_offset", "updated_at")}
    # Tombstones and dead letters tell no time: what was known before still is.
    told = sa.bindparam("new_committed_at", type_=schema.UtcTime())
    values["committed_at"] = sa.func.coalesce(told, c.committed_at)
    return schema.source_offsets.update().where(*mine, c.next_offset == sa.bindparam("from")).values(values)


def check_rows_version(connection: sa.Connection, read: RowsRead | None) -> None:
    """Advance the version of a source's rows. Raises `OvertakenError` when another worker has since it was read."""
    if read is None:
        return
    versions = {"of": read.source_id, "former": read.version, "new": read.version + 1}
    if connection.execute(_advance_version(), versions).rowcount != 1:
        raise OvertakenError(
            f"rows of source number {read.source_id} changed since joins were read from version {read.version}; "
            "nothing was written, render again"
        )


def overtake(connection: sa.Connection, source_id: int) -> None:
    """Advance the version of a source's rows, so that whoever reads them now renders again before it writes."""
    advanced = schema.sources.update().where(schema.sources.c.id == source_id)
    connection.execute(advanced.values(rows_version=schema.sources.c.rows_version + 1))


@cache
def _advance_version() -> sa.Update:
    c = schema.sources.c
    mine = (c.id == sa.bindparam("of"), c.rows_version == sa.bindparam("former"))
    return schema.sources.update().where(*mine).values(rows_version=sa.bindparam("new"))


@cache
def _version() -> sa.Select[Any]:
    c = schema.sources.c
    return sa.select(c.rows_version).where(c.id == sa.bindparam("of"))


class Offsets:
    """Reads how far sources were read."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def read(self, source_id: int) -> dict[Partition, int]:
        """The next offset of each partition that was ever read."""
        c = schema.source_offsets.c
        query = sa.select(c.topic, c.partition, c.next_offset).where(c.source_id == source_id)
        with reading(self._engine) as connection:
            return {(row.topic, row.partition): row.next_offset for row in connection.execute(query)}

    def committed(self, source_id: int) -> dict[Partition, datetime]:
        """When the newest event that was read of each partition was committed at the source, where one told."""
        c = schema.source_offsets.c
        query = sa.select(c.topic, c.partition, c.committed_at).where(c.source_id == source_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(c.committed_at.is_not(None)))
            return {(row.topic, row.partition): row.committed_at for row in rows}

    def rows_version(self, source_id: int) -> RowsRead:
        """The version of the rows as they are now; read it before any row."""
        with reading_once(self._engine) as connection:
            return RowsRead(source_id, connection.execute(_version(), {"of": source_id}).scalar_one())
