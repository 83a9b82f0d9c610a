"""What is remembered of a source's tables: their columns, their last truncation, and what a person should know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.engine import reading, writing
from retrieval.catalog.upsert import upsert
from retrieval.types import SourcePosition

TOLD_AGAIN_AFTER = timedelta(hours=1)  # what may concern every row of a table is not told for each
COLUMN_NOTICES = ("columns_added", "columns_removed", "maybe_renamed")


@dataclass(frozen=True, slots=True)
class TableState:
    """One table as its events showed it last; each part None where nothing is known."""

    columns: tuple[str, ...] | None = None  # sorted
    columns_at: SourcePosition | None = None  # of the newest event that showed them
    truncated_at: SourcePosition | None = None  # rows from before are gone, however late they arrive


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about a table that a person should know and that stopped nothing."""

    kind: str  # columns_added, columns_removed, maybe_renamed, columns_missing, rows_incomplete, no_primary_key
    table: str
    message: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableWrite:
    """A table's state as it is now, with the notices of what changed."""

    source_id: int
    table: str
    state: TableState
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """A notice as it was stored."""

    id: int
    at: datetime
    kind: str
    table: str
    message: str
    detail: dict[str, Any]


class SourceTables:
    """Reads what is remembered of tables, and forgets notices that are settled."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def columns(self, source_id: int) -> dict[str, tuple[str, ...]]:
        """The columns last seen of each table that was ever seen, sorted."""
        with reading(self._engine) as connection:
            states = read_states(connection, source_id)
        return {table: state.columns for table, state in sorted(states.items()) if state.columns is not None}

    def counts_since(self, moment: datetime) -> dict[int, int]:
        """How many notices each source has from then on; sources without any are left out."""
        c = schema.source_notices.c
        query = sa.select(c.source_id, sa.func.count()).where(c.at >= moment).group_by(c.source_id)
        with reading(self._engine) as connection:
            return {source_id: count for source_id, count in connection.execute(query)}

    def notices(self, source_id: int, limit: int = 100, after: int = 0) -> list[NoticeRecord]:
        """Notices in the order they came, beginning after the id `after`."""
        c = schema.source_notices.c
        query = (
            sa.select(c.id, c.at, c.kind, c.table_name, c.message, c.detail)
            .where(c.source_id == source_id, c.id > after)
            .order_by(c.id)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [NoticeRecord(*row) for row in connection.execute(query)]

    def newest(self, source_id: int, kind: str) -> int | None:
        """The id of the newest notice of that kind; None where there is none."""
        c = schema.source_notices.c
        query = sa.select(sa.func.max(c.id)).where(c.source_id == source_id, c.kind == kind)
        with reading(self._engine) as connection:
            found: int | None = connection.execute(query).scalar_one()
        return found

    def settle(self, source_id: int, kind: str, until: int) -> None:
        """Forget the notices of that kind up to that id: what they told of is over, and would be told anew."""
        c = schema.source_notices.c
        with writing(self._engine) as connection:
            connection.execute(
                schema.source_notices.delete().where(c.source_id == source_id, c.kind == kind, c.id <= until)
            )


def read_states(connection: sa.Connection, source_id: int) -> dict[str, TableState]:
    """The state of each table of a source that was ever seen."""
    c = schema.source_tables.c
    query = sa.select(c.table_name, c.columns, c.truncated_at).where(c.source_id == source_id)
    return {row.table_name: _state(row.columns, row.truncated_at) for row in connection.execute(query)}


def write_tables(connection: sa.Connection, writes: Sequence[TableWrite]) -> None:
    """Store what changed, keeping what another worker has found in newer events meanwhile."""
    for write in writes:
        known = read_states(connection, write.source_id).get(write.table, TableState())
        upsert(
            connection, schema.source_tables, [_row(write, _merged(known, write.state))], ["source_id", "table_name"]
        )
        seen = known.columns is not None and known.columns == write.state.columns
        notices = [
            notice
            for notice in write.notices
            if not (seen if notice.kind in COLUMN_NOTICES else _told_lately(connection, write.source_id, notice))
        ]
        _write_notices(connection, write.source_id, notices)


def _told_lately(connection: sa.Connection, source_id: int, notice: Notice) -> bool:
    c = schema.source_notices.c
    mine = (c.source_id == source_id) & (c.table_name == notice.table) & (c.kind == notice.kind)
    query = sa.select(sa.func.count()).where(mine, c.at > schema.utc_now() - TOLD_AGAIN_AFTER)
    return bool(connection.execute(query).scalar_one())


def _write_notices(connection: sa.Connection, source_id: int, notices: Sequence[Notice]) -> None:
    rows = [
        {
            "source_id": source_id,
            "at": schema.utc_now(),
            "kind": notice.kind,
            "table_name": notice.table,
            "message": notice.message,
            "detail": dict(notice.detail),
        }
        for notice in notices
    ]
    if rows:
        connection.execute(schema.source_notices.insert(), rows)


def _merged(known: TableState, new: TableState) -> TableState:
    older = known.columns_at is not None and (new.columns_at is None or new.columns_at < known.columns_at)
    latest = known if new.columns is None or older else new
    truncations = [at for at in (known.truncated_at, new.truncated_at) if at is not None]
    return TableState(latest.columns, latest.columns_at, max(truncations, default=None))


def _state(columns: Any, truncated_at: str | None) -> TableState:
    seen = columns or {"names": None, "at": None}
    return TableState(
        None if seen["names"] is None else tuple(seen["names"]),
        None if seen["at"] is None else SourcePosition.decode(seen["at"]),
        None if truncated_at is None else SourcePosition.decode(truncated_at),
    )


def _row(write: TableWrite, state: TableState) -> dict[str, Any]:
    at = None if state.columns_at is None else state.columns_at.encode()
    return {
        "source_id": write.source_id,
        "table_name": write.table,
        "columns": None if state.columns is None else {"names": list(state.columns), "at": at},
        "truncated_at": None if state.truncated_at is None else state.truncated_at.encode(),
        "updated_at": schema.utc_now(),
    }
