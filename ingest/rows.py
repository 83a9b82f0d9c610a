"""Rows of source tables: the stores that keep them, so that joined documents can be rendered again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from ingest.incomplete import waits
from ingest.row_values import JsonRow, link_value
from retrieval.catalog.rows import RowWrite
from retrieval.catalog.source_tables import Notice, TableState, TableWrite
from retrieval.types import SourcePosition

Stored = tuple[SourcePosition, JsonRow | None]  # None: a tombstone


class RowStore(Protocol):
    """Reads the rows of one source as they were last committed. The catalog's `SourceRows` is one."""

    @property
    def source_id(self) -> int:
        """Number of the source in the catalog."""
        ...

    def read(self, table: str, key: str) -> Stored | None:
        """The row or tombstone, None when it was never seen."""
        ...

    def read_many(self, table: str, keys: Sequence[str]) -> Mapping[str, Stored]:
        """Those of the rows that were ever seen, by key."""
        ...

    def keys_where(self, table: str, column: str, value: str) -> Iterable[str]:
        """Keys of the living rows whose linked column has that value, as `link_value` writes it."""
        ...

    def keys(self, table: str, until: SourcePosition | None = None) -> Iterable[str]:
        """Keys of all living rows of a table; with `until`, of those that are not newer."""
        ...

    def tables(self) -> Mapping[str, TableState]:
        """What is remembered of each table that was ever seen."""
        ...


class MemoryRows:
    """A `RowStore` in memory: for previews, tests, and sources whose rows need not outlive the process."""

    def __init__(self) -> None:
        self.source_id = 0
        self._rows: dict[str, dict[str, Stored]] = defaultdict(dict)
        self._links: dict[tuple[str, str], Mapping[str, str]] = {}
        self._linked: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self._tables: dict[str, TableState] = {}
        self.notices: list[Notice] = []

    def tables(self) -> dict[str, TableState]:
        """See `RowStore`."""
        return self._tables

    def read(self, table: str, key: str) -> Stored | None:
        """See `RowStore`."""
        return self._rows[table].get(key)

    def read_many(self, table: str, keys: Sequence[str]) -> dict[str, Stored]:
        """See `RowStore`."""
        known = self._rows[table]
        return {key: known[key] for key in keys if key in known}

    def keys_where(self, table: str, column: str, value: str) -> list[str]:
        """See `RowStore`."""
        return sorted(self._linked.get((table, column, value), ()))

    def keys(self, table: str, until: SourcePosition | None = None) -> list[str]:
        """See `RowStore`."""
        return sorted(key for key, stored in self._rows[table].items() if _lives(stored, until))

    def write(self, writes: Sequence[RowWrite | TableWrite]) -> None:
        """Keep these rows and tables in the place of what was there."""
        for table in (write for write in writes if isinstance(write, TableWrite)):
            self._tables[table.table] = table.state
            self.notices += table.notices
        for row in (write for write in writes if isinstance(write, RowWrite)):
            self._rows[row.table][row.key] = (SourcePosition.decode(row.position), row.data)
            for column, value in self._links.get((row.table, row.key), {}).items():
                self._linked[row.table, column, value].discard(row.key)
            self._links[row.table, row.key] = row.links
            for column, value in row.links.items():
                self._linked[row.table, column, value].add(row.key)


class PendingRows:
    """A store with the changes of the batch under way on top; `drain` hands these out to be written.

    `needed` are the columns of each table without which nobody may see a row, `link_columns` those that joins use.
    """

    def __init__(
        self, store: RowStore, link_columns: Mapping[str, frozenset[str]], needed: Mapping[str, frozenset[str]]
    ) -> None:
        self._store = store
        self._link_columns = link_columns
        self._needed = needed
        self._pending: dict[tuple[str, str], Stored] = {}
        self._linked: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        # what the store said since the last drain; nothing else writes to one source's rows meanwhile
        self._read: dict[tuple[str, str], Stored | None] = {}
        self._found: dict[tuple[str, str, str], frozenset[str]] = {}

    def prefetch(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Read rows that will be asked for, by table, in a few queries instead of one each."""
        for table, wanted in keys.items():
            wanted = [key for key in wanted if (table, key) not in self._read]
            found = self._store.read_many(table, wanted)
            self._read.update({(table, key): found.get(key) for key in wanted if (table, key) not in self._pending})

    def read(self, table: str, key: str) -> Stored | None:
        """See `RowStore`."""
        if (table, key) in self._pending:
            return self._pending[table, key]
        if (table, key) not in self._read:
            self._read[table, key] = self._store.read(table, key)
        return self._read[table, key]

    def row(self, table: str, key: str) -> JsonRow | None:
        """The row as it may be shown; None for a tombstone, a row that waits, and what was never seen."""
        stored = self.read(table, key)
        if stored is None or stored[1] is None or waits(stored[1], self._needed[table]):
            return None
        return stored[1]

    def keys_where(self, table: str, column: str, value: str) -> list[str]:
        """See `RowStore`."""
        if (table, column, value) not in self._found:
            found = frozenset(self._store.keys_where(table, column, value))
            self._found[table, column, value] = found
            self.prefetch({table: sorted(found)})  # whoever asks for keys reads their rows
        stored = {key for key in self._found[table, column, value] if (table, key) not in self._pending}
        return sorted(stored | self._linked.get((table, column, value), set()))

    def keys(self, table: str, until: SourcePosition | None = None) -> list[str]:
        """See `RowStore`."""
        stored = {key for key in self._store.keys(table, until) if (table, key) not in self._pending}
        pending = {key for (at, key), row in self._pending.items() if at == table and _lives(row, until)}
        return sorted(stored | pending)

    def put(self, table: str, key: str, position: SourcePosition, row: JsonRow | None) -> None:
        """Keep the row, or a tombstone, at that position."""
        if former := self._pending.get((table, key)):
            for column, value in self._links(table, former[1]).items():
                self._linked[table, column, value].discard(key)
        self._pending[table, key] = (position, row)
        for column, value in self._links(table, row).items():
            self._linked[table, column, value].add(key)

    def drain(self) -> tuple[RowWrite, ...]:
        """The changes since the last drain, once."""
        writes = tuple(
            RowWrite(self._store.source_id, table, key, position.encode(), row, self._links(table, row))
            for (table, key), (position, row) in self._pending.items()
        )
        self._pending.clear()
        self._linked.clear()
        self._read.clear()
        self._found.clear()
        return writes

    def _links(self, table: str, row: JsonRow | None) -> dict[str, str]:
        columns = self._link_columns[table]
        if row is None or not columns:
            return {}
        values = {column: link_value(row.get(column)) for column in columns}
        return {column: value for column, value in values.items() if value is not None}


def _lives(stored: Stored, until: SourcePosition | None) -> bool:
    """Whether it is a row, and not newer than `until`, where that is given."""
    position, row = stored
    return row is not None and (until is None or not until < position)
