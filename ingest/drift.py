"""Notices when the columns of a source's tables change, and remembers until where a table was emptied.

A change of columns stops nothing. Rows show what is left, and a notice says once what changed and what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import replace

from ingest.incomplete import ROWS_INCOMPLETE
from ingest.rows import RowStore
from ingest.table_mapping import TablesMapping
from retrieval.catalog.source_tables import Notice, TableState, TableWrite
from retrieval.types import SourcePosition

_UNSEEN = TableState()


class TableMemory:
    """What is known of a source's tables, with the batch under way on top."""

    def __init__(self, mapping: TablesMapping, store: RowStore, *, strict: bool = False) -> None:
        self._mapping = mapping
        self._store = store
        self._strict = strict  # a table never seen before must have the mapping's columns
        self._stored: Mapping[str, TableState] | None = None
        self._pending: dict[str, TableState] = {}
        self._notices: dict[tuple[str, str], Notice] = {}  # by kind and table: one of each in a batch
        self._seen: dict[str, tuple[Set[str], SourcePosition | None]] = {}  # what `saw_columns` needs, ready to compare

    def truncated_at(self, table: str) -> SourcePosition | None:
        """Where the table was emptied last: rows from before are gone."""
        return self._state(table).truncated_at

    def truncate(self, table: str, position: SourcePosition | None) -> None:
        """The table was emptied there."""
        state = self._state(table)
        if position is not None and (state.truncated_at is None or state.truncated_at < position):
            self._pending[table] = replace(state, truncated_at=position)

    def saw_columns(self, table: str, columns: Set[str], position: SourcePosition | None) -> None:
        """A row of the table has these columns. An event older than what was seen last says nothing.

        Raises `MappingError` when strict; see there.
        """
        known, at = self._seen.get(table) or self._recall(table)
        if columns == known or (at is not None and position is not None and position < at):
            return
        names = tuple(sorted(columns))
        before = self._state(table).columns
        if before is None and self._strict:
            self._mapping.check_columns(table, columns)
        self._pending[table] = replace(self._state(table), columns=names, columns_at=position)
        self._seen[table] = (frozenset(columns), position)
        for notice in notices_of(self._mapping, table, before, names):
            self._notices[notice.kind, table] = notice

    def row_waits(self, table: str, key: str, columns: Collection[str]) -> None:
        """A row came without values that are not known: it is not shown."""
        named = ", ".join(sorted(columns))
        self._notices[ROWS_INCOMPLETE, table] = Notice(
            ROWS_INCOMPLETE,
            table,
            f"row {key} of {table} came without its unchanged large columns {named}, and no earlier event told them; "
            "such rows are not shown until `kb serve` has read them at the source, or a new snapshot has",
            {"columns": sorted(columns), "key": key},
        )

    def drain(self, source_id: int) -> tuple[TableWrite, ...]:
        """What is to be stored since the last drain, once."""
        told: dict[str, list[Notice]] = {}
        for (_, table), notice in self._notices.items():
            told.setdefault(table, []).append(notice)
        writes = tuple(
            TableWrite(source_id, table, self._state(table), tuple(told.get(table, ())))
            for table in dict.fromkeys((*self._pending, *told))
        )
        self._stored = None
        self._pending.clear()
        self._notices.clear()
        self._seen.clear()
        return writes

    def _state(self, table: str) -> TableState:
        if table in self._pending:
            return self._pending[table]
        if self._stored is None:
            self._stored = dict(self._store.tables())
        return self._stored.get(table, _UNSEEN)

    def _recall(self, table: str) -> tuple[Set[str], SourcePosition | None]:
        state = self._state(table)
        self._seen[table] = (frozenset(state.columns or ()), state.columns_at)
        return self._seen[table]


def notices_of(
    mapping: TablesMapping, table: str, before: tuple[str, ...] | None, now: tuple[str, ...]
) -> list[Notice]:
    """What a person should know of a table whose columns were `before` (None: never seen) and are `now`."""
    used = mapping.columns_of(table)
    if before is None:
        missing = sorted(used - set(now))
        return [_missing(table, missing, now)] if missing else []
    added, removed = sorted(set(now) - set(before)), sorted(set(before) - set(now))
    if len(added) == len(removed) == 1:
        return [_renamed(table, removed[0], added[0], used)]
    found = []
    if added:
        found.append(_added(table, added, used))
    if removed:
        found.append(_removed(table, removed, used))
    return found


def _missing(table: str, missing: list[str], now: tuple[str, ...]) -> Notice:
    message = (
        f"table {table} has no {_columns(missing)} that the mapping names, and they are shown empty; its columns are "
        f"{', '.join(now)}: correct the mapping"
    )
    return Notice("columns_missing", table, message, {"columns": missing, "used": missing})


def _renamed(table: str, old: str, new: str, used: Collection[str]) -> Notice:
    advice = (
        f"the mapping names {old}, which is now empty in rows that change: if it was renamed, write {new} in the "
        "mapping, then take a new snapshot of the table"
        if old in used
        else f"the mapping does not name {old}; nothing needs to be done"
    )
    message = f"table {table}: column {old} is gone and column {new} has come, perhaps renamed; {advice}"
    return Notice("maybe_renamed", table, message, {"old": old, "new": new, "used": sorted({old, new} & set(used))})


def _added(table: str, added: list[str], used: Collection[str]) -> Notice:
    known = sorted(set(added) & set(used))
    advice = (
        f"the mapping names {', '.join(known)}, which rows show as they change: take a new snapshot to show all"
        if known
        else "the mapping does not name them: add them to it if they should be found"
    )
    message = f"table {table} has new {_columns(added)}; {advice}"
    return Notice("columns_added", table, message, {"columns": added, "used": known})


def _removed(table: str, removed: list[str], used: Collection[str]) -> Notice:
    lost = sorted(set(removed) & set(used))
    advice = (
        f"the mapping names {', '.join(lost)}, now empty in rows that change; rows that do not change show the old "
        "value: correct the mapping, then take a new snapshot of the table"
        if lost
        else "the mapping does not name them; nothing needs to be done"
    )
    message = f"table {table} no longer has {_columns(removed)}; {advice}"
    return Notice("columns_removed", table, message, {"columns": removed, "used": lost})


def _columns(names: list[str]) -> str:
    return f"column{'s' if len(names) > 1 else ''} {', '.join(names)}"
