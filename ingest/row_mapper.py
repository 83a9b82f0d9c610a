"""Applies a mapping: rows and changes of rows become documents and deletions, in any order and however often sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from ingest.changes import Change, RowChange, RowEvent, Truncation
from ingest.drift import TableMemory
from ingest.incomplete import announced, filled, is_announced, known_values, waits, with_kept
from ingest.positions import UNPLACED, placed
from ingest.rendering import RowKey, affected_parents, document_key, render
from ingest.row_values import JsonRow, json_row
from ingest.rows import PendingRows, RowStore, Stored
from ingest.table_mapping import TablesMapping
from retrieval.catalog.rows import RowWrite
from retrieval.catalog.source_tables import TableWrite
from retrieval.types import Deletion, SourcePosition

_NOTHING: frozenset[RowKey] = frozenset()


class RowMapper:
    """Turns row changes of one source into document changes, keeping the rows that later joins will need.

    A row's newest position wins: an older change is ignored, an equal one is applied again, which changes nothing.
    A deleted row leaves a tombstone with its position, a truncated table its own. A document has its own row's
    position; a change of a joined row renders it again at that same position. A row of which something is not known
    waits (`ingest.incomplete`). Columns that come and go leave a notice (`ingest.drift`); with `strict`, a mapping
    that names a column which the first row of a table never seen before does not have is refused. `in_order`: each
    row's events come once, in the order in which they were sent, so one that `supersedes` is as new as what is stored.
    """

    def __init__(self, mapping: TablesMapping, rows: RowStore, *, strict: bool = False, in_order: bool = False) -> None:
        self._mapping = mapping
        self._in_order = in_order
        self._known = mapping.all_tables
        self._joined = mapping.joined_tables
        self._needed = {table: mapping.columns_of(table) for table in self._known}
        links = {table: mapping.link_columns(table) for table in self._known}
        self._rows = PendingRows(rows, links, self._needed)
        self._tables = TableMemory(mapping, rows, strict=strict)
        self._source_id = rows.source_id

    def apply(self, events: Sequence[RowEvent]) -> tuple[Change, ...]:
        """Documents and deletions that follow from these events, each document once, as it is after all of them.

        Raises `MappingError` in a strict mapper; see the class.
        """
        touched: dict[RowKey, datetime | None] = {}
        known = [event for event in events if event.table in self._known]
        self._prefetch(known)
        for event in known:
            for change in self._single(event):
                for row_key in self._apply(change):
                    touched[row_key] = _latest(touched.get(row_key), change.committed_at)
        return tuple(self._change(table, key, at) for (table, key), at in touched.items())

    def render_stored(self, table: str, keys: Sequence[str]) -> tuple[Change, ...]:
        """The documents of stored rows as they are, without any event."""
        self._rows.prefetch({table: keys})
        return tuple(self._change(table, key, None) for key in keys)

    def drain(self) -> tuple[RowWrite | TableWrite, ...]:
        """What to store in the same transaction as the documents of the last `apply`; each thing is given once.

        Also how a batch is given up: what was read is forgotten too.
        """
        return (*self._tables.drain(self._source_id), *self._rows.drain())

    def _prefetch(self, events: Sequence[RowEvent]) -> None:
        keys: dict[str, set[str]] = defaultdict(set)
        for event in events:
            if isinstance(event, RowChange):
                keys[event.table].update((event.pk,) if event.moved is None else (event.pk, event.moved))
        self._rows.prefetch({table: sorted(wanted) for table, wanted in keys.items()})

    def _single(self, event: RowEvent) -> Iterable[RowChange]:
        """A truncation as deletions of the rows known that are not newer."""
        if isinstance(event, RowChange):
            return (event,)
        return self._truncated(event)

    def _truncated(self, event: Truncation) -> list[RowChange]:
        position = placed(event.position, None)
        self._tables.truncate(event.table, position)
        keys = self._rows.keys(event.table, position)
        self._rows.prefetch({event.table: keys})
        return [RowChange(event.table, key, None, position, event.committed_at) for key in keys]

    def _apply(self, change: RowChange) -> Collection[RowKey]:
        """Keep the row; the documents it touches."""
        stored = self._rows.read(change.table, change.pk)
        position = placed(change.position, stored[0] if stored else None)
        if position is not None and stored is not None and self._is_as_new(change, stored):
            position = max(position, stored[0])
        if position is None:
            position = self._stands(change.table, stored)
        elif self._is_gone(change, position):
            return _NOTHING
        elif stored is not None and position < stored[0]:
            return self._fill(change, position, stored)
        after = None if change.row is None else self._completed(change, position, stored)
        touched = self._put(change.table, change.pk, position, stored, after)
        if change.row is None and change.moved is not None and stored is not None and stored[1] is not None:
            touched = {*touched, *self._announce(change, position, stored[1])}
        return touched

    def _is_as_new(self, change: RowChange, stored: Stored) -> bool:
        """Whether what was read is no older than what is stored, wherever it says it stands.

        What has only been announced is newer than any row that had its key before.
        """
        return self._in_order and change.supersedes and stored[1] is not None and not is_announced(stored[1])

    def _stands(self, table: str, stored: Stored | None) -> SourcePosition:
        """Where a row is kept that comes without a position: where it was, or after what has emptied its table since.

        Older than that it would count as gone, though the source has it now.
        """
        if stored is None:
            return UNPLACED
        truncated = self._tables.truncated_at(table)
        return stored[0] if truncated is None or truncated < stored[0] else truncated

    def _is_gone(self, change: RowChange, position: SourcePosition) -> bool:
        """Whether the table was emptied since."""
        truncated = self._tables.truncated_at(change.table)
        return truncated is not None and position < truncated

    def _put(
        self, table: str, key: str, position: SourcePosition, stored: Stored | None, after: JsonRow | None
    ) -> Collection[RowKey]:
        """Keep the row as it is now; the documents that show it, as it was or as it is."""
        own = {(table, key)} if table in self._mapping.tables else _NOTHING
        before = stored[1] if stored else None
        # where nothing changed no other document shows anything new; its own may have a new template
        if table not in self._joined or (stored is not None and before == after):
            self._rows.put(table, key, position, after)
            return own
        parents = affected_parents(self._mapping, table, before, after, self._rows)
        self._rows.put(table, key, position, after)
        # a row may join itself or rows of its own table, so parents are looked up on both sides of the change
        return own | parents | affected_parents(self._mapping, table, before, after, self._rows)

    def _completed(self, change: RowChange, position: SourcePosition, stored: Stored | None) -> JsonRow:
        """The new row, with what was not sent taken from the old one, or from the row that it was under another key."""
        assert change.row is not None
        row = json_row(change.row)
        self._tables.saw_columns(change.table, row.keys() | change.unavailable, position)
        if not change.unavailable:
            return row
        row = self._kept(change, row, position, stored)
        if change.moved is not None:
            former = self._rows.read(change.table, change.moved)
            if former is not None and former[1] is not None and former[0] < position:
                row = filled(row, known_values(former[1]), former[0])
        if waits(row, self._needed[change.table]):
            self._tables.row_waits(change.table, change.pk, change.unavailable)
        return row

    def _kept(self, change: RowChange, row: JsonRow, position: SourcePosition, stored: Stored | None) -> JsonRow:
        if stored is None or stored[0] == position:  # once more, or its other half has announced it
            return with_kept(row, change.unavailable, stored[1] if stored else None)
        if change.moved is not None:  # what had this key is another row, deleted in an event that is still under way
            return with_kept(row, change.unavailable, None)
        return with_kept(row, change.unavailable, stored[1], stored[0])

    def _fill(self, change: RowChange, position: SourcePosition, stored: Stored) -> Collection[RowKey]:
        """An older change says nothing new, except values that are not known of the row.

        A row is read again for a new mapping, by which what is stored may not have been rendered.
        """
        if stored[1] is None or change.row is None:
            return _NOTHING
        older = json_row(change.row)
        row = filled(stored[1], older, position)
        if row is stored[1] and not change.again:
            return _NOTHING
        return self._put(change.table, change.pk, stored[0], stored, row)

    def _announce(self, change: RowChange, position: SourcePosition, former: JsonRow) -> Collection[RowKey]:
        """Hand the values of a row that moves to its new key, where some of them may not be sent."""
        assert change.moved is not None
        stored = self._rows.read(change.table, change.moved)
        if stored is None or stored[0] < position:
            return self._put(change.table, change.moved, position, stored, announced(former))
        if stored[1] is None:
            return _NOTHING
        row = filled(stored[1], known_values(former), position, final=stored[0] == position)
        return _NOTHING if row is stored[1] else self._put(change.table, change.moved, stored[0], stored, row)

    def _change(self, table: str, key: str, committed_at: datetime | None) -> Change:
        stored = self._rows.read(table, key)
        position = stored[0] if stored and stored[0] != UNPLACED else None
        row = self._rows.row(table, key)
        if row is None:
            return Deletion(document_key(table, key), position=position, committed_at=committed_at)
        return render(self._mapping, table, key, row, self._rows, position, committed_at)


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)
