"""One row with the rows joined to it becomes a document; and which documents show a row."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import orjson

from ingest.row_values import JsonRow, link_value
from ingest.table_mapping import Include, TableMapping, TablesMapping
from ingest.template import Reference, Scope, Template
from retrieval.analysis.language import language_code
from retrieval.types import Document, SourcePosition

_GROUP_SEPARATORS = re.compile(r"[,;，；、\s]+")

RowKey = tuple[str, str]  # table, primary key
Aliases = frozenset[tuple[str, ...]]  # paths under which there may be several rows

_NO_ALIASES: Aliases = frozenset()


class JoinedRows(Protocol):
    """The rows that may be shown, and how joins find them."""

    def row(self, table: str, key: str) -> JsonRow | None:
        """The row, None where there is none to show."""
        ...

    def keys_where(self, table: str, column: str, value: str) -> Collection[str]:
        """Keys of the living rows whose linked column has that value, as `link_value` writes it."""
        ...


def document_key(table: str, key: str) -> str:
    """The key of a row's document: `schema.table/primary-key`."""
    return f"{table}/{key}"


def render(
    mapping: TablesMapping,
    table: str,
    key: str,
    row: JsonRow,
    rows: JoinedRows,
    position: SourcePosition | None = None,
    committed_at: datetime | None = None,
) -> Document:
    """The document of one row with the rows joined to it."""
    spec = mapping.tables[table]
    many = spec.many if spec.include else _NO_ALIASES
    scope = _scope(row, spec.include, rows) if spec.include else row
    text = spec.body.render(scope, many)
    title = " ".join(spec.title.render(scope, many).split())
    return Document(
        key=document_key(table, key),
        text=text or title,
        title=title,
        table=table,
        uri=spec.uri.render(scope, many).replace("\0", "") or None if spec.uri else None,
        language=_language(spec, scope, many),
        metadata={name: _metadata_value(many, reference, scope) for name, reference in spec.metadata.items()},
        acl=_groups(spec.acl, scope),
        position=position,
        committed_at=committed_at,
    )


def affected_parents(
    mapping: TablesMapping, table: str, before: JsonRow | None, after: JsonRow | None, rows: JoinedRows
) -> set[RowKey]:
    """The rows whose documents show this row, as it was or as it is now."""
    parents: set[RowKey] = set()
    for name, spec in mapping.tables.items():
        for row in (before, after):
            if row is not None:
                parents.update((name, key) for key in _parents(name, spec.include, table, row, rows))
    return parents


def _parents(owner: str, includes: Mapping[str, Include], table: str, row: JsonRow, rows: JoinedRows) -> Iterator[str]:
    """Keys of the owner's rows that reach this row over one of the joins, or over joins of joins."""
    for include in includes.values():
        if include.table == table:
            yield from _matching(rows, owner, [(own, row.get(theirs)) for theirs, own in include.on])
        for key in _parents(include.table, include.include, table, row, rows):
            between = rows.row(include.table, key)
            if between is not None:
                yield from _matching(rows, owner, [(own, between.get(theirs)) for theirs, own in include.on])


def _matching(rows: JoinedRows, table: str, conditions: Sequence[tuple[str, Any]]) -> list[str]:
    """Keys of the table's living rows that meet all conditions (column, value)."""
    found: set[str] | None = None
    for column, value in conditions:
        text = link_value(value)
        keys = set() if text is None else set(rows.keys_where(table, column, text))
        found = keys if found is None else found & keys
    return sorted(found or ())


def _scope(row: JsonRow, includes: Mapping[str, Include], rows: JoinedRows) -> Scope:
    scope: dict[str, Any] = dict(row)
    for alias, include in includes.items():
        joined = _joined(row, include, rows)
        scope[alias] = joined if include.many else (joined[0] if joined else None)
    return scope


def _joined(row: JsonRow, include: Include, rows: JoinedRows) -> list[Scope]:
    """The joined rows by key; numbers in keys count as numbers."""
    keys = _matching(rows, include.table, [(theirs, row.get(own)) for theirs, own in include.on])
    found = []
    for key in sorted(keys, key=_natural):
        joined = rows.row(include.table, key)
        if joined is not None:
            found.append(_scope(joined, include.include, rows))
    return found


def _natural(key: str) -> tuple[tuple[int, int, str], ...]:
    parts = re.split(r"(\d+)", key)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def _metadata_value(many: Aliases, reference: Reference, scope: Scope) -> Any:
    if not reference.aliases:
        return scope.get(reference.column)
    values = reference.values(scope)
    if any(reference.aliases[: len(path)] == path for path in many):
        return values
    return values[0] if values else None


def _language(spec: TableMapping, scope: Scope, many: Aliases) -> str:
    language = spec.language
    return language_code(language.render(scope, many)) if isinstance(language, Template) else language


def _groups(acl: Reference | tuple[str, ...] | None, scope: Scope) -> tuple[str, ...] | None:
    """Who may read: where a column is to say it and does not, nobody."""
    if not isinstance(acl, Reference):
        return acl
    groups = (group for value in acl.values(scope) for group in _group_names(value))
    return tuple(dict.fromkeys(group for group in groups if group))


def _group_names(value: Any) -> Collection[str]:
    """Group names in a column: an array, a JSON array as text, or names parted by `_GROUP_SEPARATORS`."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return ()  # neither form: nobody
    if isinstance(value, list):  # of several dimensions too
        return [name for group in value if group is not None for name in _listed(group)]
    return _GROUP_SEPARATORS.split(str(value))


def _listed(group: Any) -> Collection[str]:
    return _group_names(group) if isinstance(group, list) else [str(group).strip()]
