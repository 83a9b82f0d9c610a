"""What chunks refer to beside their text: hyperlinks, rows that a mapping joins over foreign keys, own addresses.

The links of source rows are kept for rendering joins again; with the joins of the source's mapping they say which
documents are about one row. Read from the catalog as it is now, like the operation log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.batching import in_parts
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading
from retrieval.types import ITSELF, Block, IndexedChunk

Join = tuple[str, str, str, str]  # table, its column, joined table, its column


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that has a document: its source's number, its table and key."""

    source: int
    table: str
    key: str


class References:
    """Reads what the documents of one catalog refer to."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, collection: Collection, chunks: Sequence[IndexedChunk]) -> list[IndexedChunk]:
        """The chunks with `uri`, `hyperlinks` and `links` filled in.

        `hyperlinks` are those of the blocks of the document's outline that the chunk was cut from; `links` are
        `table.column=value` of each row that its document joins.

        Documents of a joined row have the same after `ITSELF`. Joins of joins are left out: what they show is
        reached over the row between.
        """
        with reading(self._engine) as connection:
            numbers = sorted({chunk.document for chunk in chunks})
            uris = _uris(connection, collection, numbers)
            hyperlinks = _hyperlinks(connection, collection, numbers)
            joins = _joins(connection, collection) if any(_table(chunk) for chunk in chunks) else {}
            rows = {chunk.label: row for chunk in chunks if (row := _row(chunk, joins)) is not None}
            values = _values(connection, set(rows.values()))
        by_number = {number: found for number, found in joins.values()}
        return [
            replace(
                chunk,
                uri=uris.get(chunk.document),
                links=_links(rows[chunk.label], by_number, values) if chunk.label in rows else (),
                hyperlinks=hyperlinks.get(chunk.label, ()),
            )
            for chunk in chunks
        ]


def _links(row: _Row, joins: Mapping[int, Sequence[Join]], values: Mapping[_Row, Mapping[str, str]]) -> tuple[str, ...]:
    mine = values.get(row, {})
    found: dict[str, None] = {}
    for table, own, joined, theirs in joins[row.source]:
        if table == row.table and own in mine:
            found[f"{joined}.{theirs}={mine[own]}"] = None
        if joined == row.table and theirs in mine:
            found[f"{ITSELF}{joined}.{theirs}={mine[theirs]}"] = None
    return tuple(found)


def _joins(connection: sa.Connection, collection: Collection) -> dict[str, tuple[int, list[Join]]]:
    """Number and joins of each source of rows, by its name."""
    c = schema.sources.c
    query = sa.select(c.id, c.name, c.config).where(c.collection_id == collection.id)
    found = {}
    for row in connection.execute(query):
        tables = row.config.get("tables") or row.config.get("joins")
        if isinstance(tables, dict):
            found[row.name] = row.id, list(_pairs(tables))
    return found


def _pairs(tables: Mapping[str, Any]) -> Iterator[Join]:
    for table, form in tables.items():
        for include in (form.get("include") or {}).values():
            for theirs, own in include["on"].items():
                yield table, own, include["table"], theirs


def _row(chunk: IndexedChunk, joins: Mapping[str, tuple[int, list[Join]]]) -> _Row | None:
    table, found = _table(chunk), joins.get(str(chunk.metadata.get("_source", "")))
    if not table or found is None:
        return None
    return _Row(found[0], table, str(chunk.metadata["_key"]).removeprefix(f"{table}/"))


def _table(chunk: IndexedChunk) -> str:
    return str(chunk.metadata.get("_table", ""))


def _values(connection: sa.Connection, rows: set[_Row]) -> dict[_Row, dict[str, str]]:
    """The linked columns of each row."""
    c = schema.source_row_links.c
    found: dict[_Row, dict[str, str]] = {}
    tables: dict[tuple[int, str], list[str]] = {}
    for row in rows:
        tables.setdefault((row.source, row.table), []).append(row.key)
    for (source, table), keys in tables.items():
        query = sa.select(c.row_key, c.column_name, c.value).where(c.source_id == source, c.table_name == table)
        for part in in_parts(sorted(keys)):
            for key, column, value in connection.execute(query.where(c.row_key.in_(part))):
                found.setdefault(_Row(source, table, key), {})[column] = value
    return found


def _uris(connection: sa.Connection, collection: Collection, numbers: Sequence[int]) -> dict[int, str | None]:
    d = schema.documents.c
    query = sa.select(d.number, d.uri).where(d.collection_id == collection.id, d.uri.is_not(None))
    parts = (connection.execute(query.where(d.number.in_(part))) for part in in_parts(numbers))
    return {row.number: row.uri for part in parts for row in part}


def _hyperlinks(
    connection: sa.Connection, collection: Collection, numbers: Sequence[int]
) -> dict[int, tuple[str, ...]]:
    """Of each chunk that has any, in the order of the text."""
    t, c = schema.document_texts.c, schema.chunks.c
    outlines = sa.select(t.number, t.outline).where(t.collection_id == collection.id)
    cuts = sa.select(c.label, c.document, c.start, c.end).where(
        c.collection_id == collection.id, c.chunking == collection.chunking
    )
    found: dict[int, tuple[str, ...]] = {}
    for part in in_parts(numbers):
        blocks = {row.number: _linking(row.outline) for row in connection.execute(outlines.where(t.number.in_(part)))}
        linking = [number for number, those in blocks.items() if those]
        if not linking:
            continue
        for label, document, start, end in connection.execute(cuts.where(c.document.in_(linking))):
            mine = (block for block in blocks[document] if block.start < end and block.end > start)
            if links := tuple(dict.fromkeys(link for block in mine for link in block.links)):
                found[label] = links
    return found


def _linking(outline: Sequence[Sequence[Any]]) -> list[Block]:
    blocks = map(Block.from_row, outline)
    return [block for block in blocks if block.links]
