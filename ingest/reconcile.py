"""Compares a live source with what the catalog holds of it, and mends what differs.

Rows are compared with rows, and documents with what the stored rows render to. A difference that is only a change on
its way here is gone at a second look; what is seen twice, with the same row at the source, is real. Mending reads each
row once more and stores it as if the source had just sent it; a worker that stores rows of the source meanwhile wins,
and the mending looks again. A row that the source did not have cannot be asked for: it is forgotten only while it
stands where the comparison found it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from itertools import islice

import sqlalchemy as sa

from ingest.changes import Change, RowChange
from ingest.connect.scan import Identity, Row, TableScan
from ingest.errors import MappingError
from ingest.incomplete import waits
from ingest.pipeline import Pipeline
from ingest.preparation import is_as_stored
from ingest.rendering import document_key, render
from ingest.row_mapper import RowMapper
from ingest.row_values import JsonRow, link_value
from ingest.table_mapping import TablesMapping
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.batching import in_parts
from retrieval.catalog.documents import StoredInput
from retrieval.catalog.rows import SourceRows
from retrieval.catalog.sources import SourceRecord
from retrieval.errors import OvertakenError
from retrieval.types import Deletion, Document, SourcePosition

logger = logging.getLogger(__name__)

MEND_AT_ONCE = 200  # rows of one transaction: short, lest a busy worker always be faster
FEW_ROWS = 10  # may go in any case
TRIES = 20  # against a worker that is faster


class DifferenceKind(StrEnum):
    """How what we hold departs from its source."""

    MISSING = "missing"
    CHANGED = "changed"
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row of a table.

    `identity` is its primary key where the source has it, `row` what the source has now, `stored_at` the position of a
    surplus row in the catalog.
    """

    table: str
    key: str
    kind: DifferenceKind
    identity: Identity | None = None
    row: Row | None = None
    stored_at: SourcePosition | None = None


@dataclass(frozen=True, slots=True)
class SourceDifferences:
    """What a comparison found; documents by key."""

    rows: Sequence[RowDifference] = ()
    documents: Mapping[str, DifferenceKind] = field(default_factory=dict)
    rows_compared: int = 0

    def confirmed_by(self, later: SourceDifferences) -> SourceDifferences:
        """Those that a later look found just so again."""
        seen = {(one.table, one.key): one for one in self.rows}
        rows = [one for one in later.rows if _is_the_same(seen.get((one.table, one.key)), one)]
        documents = {key: kind for key, kind in later.documents.items() if self.documents.get(key) is kind}
        return replace(later, rows=rows, documents=documents)

    @property
    def found(self) -> bool:
        """Whether anything differs."""
        return bool(self.rows or self.documents)


def _is_the_same(earlier: RowDifference | None, later: RowDifference) -> bool:
    if earlier is None:
        return False
    return (earlier.kind, earlier.row, earlier.stored_at) == (later.kind, later.row, later.stored_at)


class Reconciler:
    """Compares and mends one source of one collection."""

    def __init__(
        self, catalog: Catalog, collection: Collection, source: SourceRecord, mapping: TablesMapping, pipeline: Pipeline
    ) -> None:
        self._catalog = catalog
        self._collection = collection
        self._source = source
        self._mapping = mapping
        self._pipeline = pipeline
        self._stored = catalog.sources.rows(source)

    def compare(self, connection: sa.Connection) -> SourceDifferences:
        """Everything that differs now, changes on their way included. Raises `MappingError`, `SourceError`."""
        rows: list[RowDifference] = []
        compared = 0
        for name in sorted(self._mapping.all_tables):
            scan = TableScan(connection, name, self._mapping.columns_of(name))
            count, differing = _compare_table(scan, self._stored)
            compared += count
            rows += differing
        return SourceDifferences(rows, self.compare_documents(), compared)

    def surplus(self, connection: sa.Connection) -> SourceDifferences:
        """The stored rows that the source does not have now. Raises `SourceError`.

        Tables that cannot be read are left out. So are those that would lose more than a few rows and half of all: keys
        that are written otherwise in the log, or a table that was emptied by mistake, are for a person to look at.
        """
        rows: list[RowDifference] = []
        compared = 0
        for name in sorted(self._mapping.all_tables):
            try:
                seen = {key for page in TableScan(connection, name, frozenset()).pages() for key in page}
            except MappingError as error:
                logger.warning("source %s: rows of %s that are gone stay: %s", self._source.name, name, error)
                continue
            compared += len(seen)
            stored = list(self._stored.keys(name))
            surplus = _surplus(name, self._stored, stored, seen)
            if len(surplus) > FEW_ROWS and 2 * len(surplus) > len(stored):
                logger.warning(
                    "source %s: %d of %d rows of %s are not in the database, and stay; see what `kb verify` says",
                    self._source.name,
                    len(surplus),
                    len(stored),
                    name,
                )
                continue
            rows += surplus
        return SourceDifferences(rows, rows_compared=compared)

    def compare_documents(self) -> dict[str, DifferenceKind]:
        """The documents that are not what the stored rows render to."""
        found: dict[str, DifferenceKind] = {}
        expected: set[str] = set()
        for document, stored in self._rendered():
            expected.add(document.key)
            if stored is None:
                found[document.key] = DifferenceKind.MISSING
            elif not is_as_stored(document, stored):
                found[document.key] = DifferenceKind.CHANGED
        living = self._catalog.documents.keys(self._collection, self._source.name)
        return found | dict.fromkeys(sorted(living - expected), DifferenceKind.SURPLUS)

    def distrust(self, damaged: Iterable[str]) -> set[str]:
        """Let the source's documents among the damaged ones be written anew by `mend`; which they are."""
        own = self._catalog.documents.keys(self._collection, self._source.name).intersection(damaged)
        self._catalog.integrity.distrust(self._collection, own)
        return own

    def mend(self, connection: sa.Connection, differences: SourceDifferences) -> int:
        """Store the differing rows as the source has them now, and write the differing documents; how many."""
        self.mend_rows(connection, differences)
        return len(differences.rows) + self._mend_documents()

    def mend_rows(self, connection: sa.Connection, differences: SourceDifferences) -> None:
        """Store the differing rows as the source has them now, and write what shows them."""
        by_table: dict[str, list[RowDifference]] = {}
        for difference in differences.rows:
            by_table.setdefault(difference.table, []).append(difference)
        for table, rows in sorted(
            by_table.items(), key=lambda one: one[0] in self._mapping.tables
        ):  # joined ones first
            are_gone = all(one.kind is DifferenceKind.SURPLUS for one in rows)  # then no column need be there
            scan = TableScan(connection, table, frozenset() if are_gone else self._mapping.columns_of(table))
            for part in in_parts(rows, MEND_AT_ONCE):
                self._mend_rows(scan, part)

    def mend_waiting(self, connection: sa.Connection, most: int) -> int:
        """Read rows once more of which a value is not known, `most` of them; how many there were.

        One that the source does not have waits on: its deletion is under way.
        """
        found = 0
        for table in sorted(self._mapping.all_tables, key=lambda one: one in self._mapping.tables):  # joined ones first
            waiting = set(islice(self._waiting(table), most - found))
            found += len(waiting)
            if waiting:
                self._bring(TableScan(connection, table, self._mapping.columns_of(table)), waiting)
        return found

    def _bring(self, scan: TableScan, waiting: set[str]) -> None:
        for page in scan.pages():
            found = {key: scan.identity(row) for key, row in page.items() if key in waiting}
            rows = [RowDifference(scan.name, key, DifferenceKind.CHANGED, which) for key, which in found.items()]
            for part in in_parts(rows, MEND_AT_ONCE):
                self._mend_rows(scan, part)
            waiting -= found.keys()
            if not waiting:
                return

    def _waiting(self, table: str) -> Iterator[str]:
        needed = self._mapping.columns_of(table)
        for page in self._stored.pages(table):
            yield from (key for key, row in page.items() if waits(row, needed))

    def _rendered(self) -> Iterator[tuple[Document, StoredInput | None]]:
        """Every document that the stored rows make, with what is stored of it; joined rows are held in memory."""
        joined = _Joined(self._mapping, self._stored)
        for table in sorted(self._mapping.tables):
            needed = self._mapping.columns_of(table)
            for page in self._stored.pages(table):
                rows = [(key, row) for key, row in page.items() if not waits(row, needed)]
                documents = [render(self._mapping, table, key, row, joined) for key, row in rows]
                stored = self._catalog.documents.inputs(self._collection, [one.key for one in documents])
                yield from ((one, stored.get(one.key)) for one in documents)

    def _mend_rows(self, scan: TableScan, differing: Sequence[RowDifference]) -> None:
        def events() -> list[RowChange]:
            now = scan.fetch([one.identity for one in differing if one.identity is not None])
            back = self._stored_anew(scan.name, differing)
            return [RowChange(one.table, one.key, now.get(one.key)) for one in differing if one.key not in back]

        self._write(lambda mapper: mapper.apply(events()))

    def _stored_anew(self, table: str, differing: Sequence[RowDifference]) -> set[str]:
        """Surplus rows that moved since they were compared: the source has them again, or has told of their end."""
        then = {one.key: one.stored_at for one in differing if one.kind is DifferenceKind.SURPLUS}
        now = {key: position for key, (position, _) in self._stored.read_many(table, list(then)).items()}
        return {key for key, position in then.items() if now.get(key) != position}

    def _mend_documents(self) -> int:
        """Documents that still differ once the rows are right."""
        differing = self.compare_documents()
        self._catalog.integrity.distrust(self._collection, set(differing))
        of_no_table = set(differing)
        for table in self._mapping.tables:
            prefix = document_key(table, "")
            mine = [key for key in differing if key.startswith(prefix)]
            of_no_table.difference_update(mine)
            for part in in_parts([key.removeprefix(prefix) for key in mine], MEND_AT_ONCE):
                self._write(partial(_as_rows_say, table=table, keys=part))
        for part in in_parts(sorted(of_no_table), MEND_AT_ONCE):
            self._write(partial(_deletions, keys=part))
        return len(differing)

    def _write(self, changes: Callable[[RowMapper], Sequence[Change]]) -> None:
        for attempt in range(TRIES):
            read = self._catalog.offsets.rows_version(self._source.id)  # before any row is read
            self._require_mapping()
            mapper = RowMapper(self._mapping, self._stored)
            prepared = self._pipeline.prepare(self._source.name, changes(mapper))
            try:
                self._pipeline.commit(replace(prepared, rows=mapper.drain(), rows_read=read))
                return
            except OvertakenError:
                if attempt == TRIES - 1:
                    raise

    def _require_mapping(self) -> None:
        """By another one everything would have to be compared anew, and its tables are read again anyway."""
        now = self._catalog.sources.now(self._source)
        if now.config["tables"] != self._source.config["tables"]:
            raise OvertakenError(f"the mapping of source {now.name} was changed meanwhile; run it again")


class _Joined:
    """The stored rows of joined tables, all at once: a query for each join of each document would take minutes."""

    def __init__(self, mapping: TablesMapping, stored: SourceRows) -> None:
        self._rows: dict[str, dict[str, JsonRow]] = {}
        self._linked: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        for table in mapping.joined_tables:
            needed, columns = mapping.columns_of(table), mapping.link_columns(table)
            living = {key: row for page in stored.pages(table) for key, row in page.items() if not waits(row, needed)}
            self._rows[table] = living
            for key, row in living.items():
                for column in columns:
                    if (value := link_value(row.get(column))) is not None:
                        self._linked[table, column, value].append(key)

    def row(self, table: str, key: str) -> JsonRow | None:
        """See `ingest.rendering.JoinedRows`."""
        return self._rows[table].get(key)

    def keys_where(self, table: str, column: str, value: str) -> list[str]:
        """See `ingest.rendering.JoinedRows`."""
        return self._linked.get((table, column, value), [])


def _as_rows_say(mapper: RowMapper, table: str, keys: Sequence[str]) -> list[Change]:
    """The documents of these rows; one without a row goes, whatever its position."""
    changes = mapper.render_stored(table, keys)
    return [Deletion(one.key) if isinstance(one, Deletion) else one for one in changes]


def _deletions(_: RowMapper, keys: Sequence[str]) -> list[Change]:
    return [Deletion(key) for key in keys]


def _compare_table(scan: TableScan, stored: SourceRows) -> tuple[int, list[RowDifference]]:
    """(rows read, differences)."""
    seen: set[str] = set()
    found: list[RowDifference] = []
    for page in scan.pages():
        known = stored.read_many(scan.name, list(page))
        seen.update(page)
        for key, row in page.items():
            held = known[key][1] if key in known else None
            if held is None or not scan.same(row, held):
                kind = DifferenceKind.MISSING if held is None else DifferenceKind.CHANGED
                found.append(RowDifference(scan.name, key, kind, scan.identity(row), row))
    return len(seen), [*found, *_surplus(scan.name, stored, stored.keys(scan.name), seen)]


def _surplus(table: str, stored: SourceRows, keys: Iterable[str], seen: set[str]) -> list[RowDifference]:
    """The stored rows of these keys that were not seen in the table."""
    # Positions are read after the table: one that is the same at the next look is of before that look at the table.
    surplus = stored.read_many(table, [key for key in keys if key not in seen])
    return [
        RowDifference(table, key, DifferenceKind.SURPLUS, stored_at=position)
        for key, (position, held) in surplus.items()
        if held is not None
    ]
