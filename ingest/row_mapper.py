"""Applies a mapping: rows and changes of rows become documents and deletions, in any order and however often sent."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from ingest.changes import Change, RowChange, RowEvent
from ingest.rows import JsonRow, PendingRows, RowStore, json_row, link_value
from ingest.table_mapping import Include, TableMapping, TablesMapping
from ingest.template import Reference, Scope, Template
from retrieval.catalog.rows import RowWrite
from retrieval.types import Deletion, Document, SourcePosition

_UNPLACED = SourcePosition(())  # older than every other position
_GROUP_SEPARATORS = re.compile(r"[,;\s]+")

RowKey = tuple[str, str]  # table, primary key


class RowMapper:
    """Turns row changes of one source into document changes, keeping the rows that later joins will need.

    A row's newest position wins: an older change is ignored, an equal one is applied again, which changes nothing.
    A deleted row leaves a tombstone with its position. A document has its own row's position; a change of a joined
    row renders it again at that same position.
    """

    def __init__(self, mapping: TablesMapping, rows: RowStore) -> None:
        self._mapping = mapping
        self._rows = PendingRows(rows, {table: mapping.link_columns(table) for table in mapping.all_tables})
        self._checked: set[str] = set()

    def apply(self, events: Sequence[RowEvent]) -> tuple[Change, ...]:
        """Documents and deletions that follow from these events, each document once, as it is after all of them.

        Raises `MappingError` when the mapping names a column that the first row of its table does not have.
        """
        touched: dict[RowKey, datetime | None] = {}
        self._prefetch(events)
        for event in events:
            if event.table not in self._mapping.all_tables:
                continue
            for change in self._single(event):
                for row_key in self._apply(change):
                    touched[row_key] = _latest(touched.get(row_key), change.committed_at)
        return tuple(self._change(table, key, at) for (table, key), at in touched.items())

    def drain(self) -> tuple[RowWrite, ...]:
        """The rows to store in the same transaction as the documents of the last `apply`; each is given once."""
        return self._rows.drain()

    def _prefetch(self, events: Sequence[RowEvent]) -> None:
        keys: dict[str, list[str]] = defaultdict(list)
        for event in events:
            if isinstance(event, RowChange) and event.table in self._mapping.all_tables:
                keys[event.table].append(event.pk)
        self._rows.prefetch(keys)

    def _single(self, event: RowEvent) -> Iterable[RowChange]:
        """A truncation as deletions of the rows known."""
        if isinstance(event, RowChange):
            return (event,)
        return [
            RowChange(event.table, key, None, event.position, event.committed_at)
            for key in self._rows.keys(event.table)
        ]

    def _apply(self, change: RowChange) -> set[RowKey]:
        """Keep the row; the documents it touches."""
        stored = self._rows.read(change.table, change.pk)
        before = stored[1] if stored else None
        if stored is not None and change.position is not None and change.position < stored[0]:
            return self._fill_gaps(change, stored[0], before)
        after = None if change.row is None else self._completed(change, before)
        position = change.position or (stored[0] if stored else _UNPLACED)
        own = {(change.table, change.pk)} if change.table in self._mapping.tables else set()
        if stored is not None and before == after:  # no other document shows anything new; own may have a new template
            self._rows.put(change.table, change.pk, position, after)
            return own
        parents = affected_parents(self._mapping, change.table, before, after, self._rows)
        self._rows.put(change.table, change.pk, position, after)
        # a row may join itself or rows of its own table, so parents are looked up on both sides of the change
        return own | parents | affected_parents(self._mapping, change.table, before, after, self._rows)

    def _completed(self, change: RowChange, before: JsonRow | None) -> JsonRow:
        """The new row, with what was not sent taken from the old one."""
        assert change.row is not None
        row = {column: value for column, value in json_row(change.row).items() if column not in change.unavailable}
        if change.table not in self._checked:
            self._mapping.check_columns(change.table, set(row) | change.unavailable)
            self._checked.add(change.table)
        kept = {column: before[column] for column in change.unavailable if before and column in before}
        return row | kept

    def _fill_gaps(self, change: RowChange, position: SourcePosition, stored: JsonRow | None) -> set[RowKey]:
        """An older change says nothing new, except columns that the newer one did not send."""
        if stored is None or change.row is None:
            return set()
        older = {column: value for column, value in json_row(change.row).items() if column not in change.unavailable}
        missing = older.keys() - stored.keys()
        if not missing:
            return set()
        return self._apply(RowChange(change.table, change.pk, older | stored, position, change.committed_at))

    def _change(self, table: str, key: str, committed_at: datetime | None) -> Change:
        stored = self._rows.read(table, key)
        position = stored[0] if stored and stored[0] != _UNPLACED else None
        if stored is None or stored[1] is None:
            return Deletion(document_key(table, key), position=position, committed_at=committed_at)
        document = render(self._mapping, table, key, stored[1], self._rows)
        return replace(document, position=position, committed_at=committed_at)


def document_key(table: str, key: str) -> str:
    """The key of a row's document: `schema.table/primary-key`."""
    return f"{table}/{key}"


def render(mapping: TablesMapping, table: str, key: str, row: JsonRow, rows: RowStore | PendingRows) -> Document:
    """The document of one row with the rows joined to it. Its position is not known here."""
    spec = mapping.tables[table]
    scope = _scope(row, spec.include, rows)
    text = spec.body.render(scope, spec.many)
    title = " ".join(spec.title.render(scope, spec.many).split())
    return Document(
        key=document_key(table, key),
        text=text or title,
        title=title,
        table=table,
        uri=spec.uri.render(scope, spec.many) or None if spec.uri else None,
        language=_language(spec, scope),
        metadata={name: _metadata_value(spec, reference, scope) for name, reference in spec.metadata.items()},
        acl=_groups(spec.acl, scope),
    )


def affected_parents(
    mapping: TablesMapping, table: str, before: JsonRow | None, after: JsonRow | None, rows: RowStore | PendingRows
) -> set[RowKey]:
    """The rows whose documents show this row, as it was or as it is now."""
    parents: set[RowKey] = set()
    for name, spec in mapping.tables.items():
        for row in (before, after):
            if row is not None:
                parents.update((name, key) for key in _parents(name, spec.include, table, row, rows))
    return parents


def _parents(
    owner: str, includes: Mapping[str, Include], table: str, row: JsonRow, rows: RowStore | PendingRows
) -> Iterator[str]:
    """Keys of the owner's rows that reach this row over one of the joins, or over joins of joins."""
    for include in includes.values():
        if include.table == table:
            yield from _matching(rows, owner, [(own, row.get(theirs)) for theirs, own in include.on])
        for key in _parents(include.table, include.include, table, row, rows):
            stored = rows.read(include.table, key)
            if stored and stored[1] is not None:
                between = stored[1]
                yield from _matching(rows, owner, [(own, between.get(theirs)) for theirs, own in include.on])


def _matching(rows: RowStore | PendingRows, table: str, conditions: Sequence[tuple[str, Any]]) -> list[str]:
    """Keys of the table's living rows that meet all conditions (column, value)."""
    found: set[str] | None = None
    for column, value in conditions:
        text = link_value(value)
        keys = set() if text is None else set(rows.keys_where(table, column, text))
        found = keys if found is None else found & keys
    return sorted(found or ())


def _scope(row: JsonRow, includes: Mapping[str, Include], rows: RowStore | PendingRows) -> Scope:
    scope: dict[str, Any] = dict(row)
    for alias, include in includes.items():
        joined = _joined(row, include, rows)
        scope[alias] = joined if include.many else (joined[0] if joined else None)
    return scope


def _joined(row: JsonRow, include: Include, rows: RowStore | PendingRows) -> list[Scope]:
    """The joined rows by key; numbers in keys count as numbers."""
    keys = _matching(rows, include.table, [(theirs, row.get(own)) for theirs, own in include.on])
    found = []
    for key in sorted(keys, key=_natural):
        stored = rows.read(include.table, key)
        if stored and stored[1] is not None:
            found.append(_scope(stored[1], include.include, rows))
    return found


def _natural(key: str) -> tuple[tuple[int, int, str], ...]:
    parts = re.split(r"(\d+)", key)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def _metadata_value(spec: TableMapping, reference: Reference, scope: Scope) -> Any:
    values = reference.values(scope)
    if any(reference.aliases[: len(path)] == path for path in spec.many):
        return values
    return values[0] if values else None


def _language(spec: TableMapping, scope: Scope) -> str:
    language = spec.language
    return language.render(scope, spec.many).strip().lower() if isinstance(language, Template) else language


def _groups(acl: Reference | tuple[str, ...] | None, scope: Scope) -> tuple[str, ...] | None:
    """Who may read: where a column is to say it and does not, nobody."""
    if not isinstance(acl, Reference):
        return acl
    groups = (group for value in acl.values(scope) for group in _group_names(value))
    return tuple(dict.fromkeys(group for group in groups if group))


def _group_names(value: Any) -> Collection[str]:
    """Group names in a column: an array, a JSON array as text, or names parted by commas, semicolons or blanks."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return ()  # neither form: nobody
    if isinstance(value, list):
        return [str(group).strip() for group in value]
    return _GROUP_SEPARATORS.split(str(value))


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)
