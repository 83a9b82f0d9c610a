"""What a source reports: documents, deletions, row changes, failures, and the position reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retrieval.catalog import AccessChange
from retrieval.types import Deletion, Document, SourcePosition

Change = Document | Deletion
Row = Mapping[str, Any]  # column name -> value; values as Python decodes them


@dataclass(frozen=True, slots=True)
class RowChange:
    """The row `pk` of `table` is now `row`, or is gone where `row` is None.

    `pk` is the key as text (composite keys joined by commas). Columns in `unavailable` did not change and were
    not sent; their stored values stay. Where a change of primary key comes as a deletion and an insertion, `moved`
    is the key of the other half. `supersedes`: the row was read after all that was sent before it, wherever it says it
    stands. `again`: it was read once more, at that position or later.
    """

    table: str
    pk: str
    row: Row | None
    position: SourcePosition | None = None  # None: newer than whatever is stored
    committed_at: datetime | None = None
    unavailable: frozenset[str] = frozenset()
    moved: str | None = None
    supersedes: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class Truncation:
    """Every row of `table` older than `position` is gone."""

    table: str
    position: SourcePosition | None = None
    committed_at: datetime | None = None


RowEvent = RowChange | Truncation


@dataclass(frozen=True, slots=True)
class Failure:
    """One item that could not be read; the rest goes on. It becomes a dead letter."""

    key: str  # the document key, file or line it concerns
    reason: str
    remedy: str
    payload: bytes | None = None  # what was received, where it is small enough to keep
    position: SourcePosition | None = None
    named: bool = True  # whether `key` is the document's; where it is not, it may be any document of the source


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Changes that belong into one catalog transaction, together with the cursor to resume after them.

    `cursor` None leaves the stored one as it is. `unchanged` names keys seen alive without being read again;
    a mirror source counts them as seen. Row changes become documents through `ingest.row_mapper.RowMapper`. `whole`, on
    the last batch: the poll tried everything that the source holds, so that what failed before and not now is settled.
    `sweeps` of a mirror empty tables of the rows that the poll did not name. They delete documents, so they wait for
    its end, and are not carried out where too many documents would vanish at once.
    """

    changes: tuple[Change, ...] = ()
    failures: tuple[Failure, ...] = ()
    cursor: str | None = None
    row_changes: tuple[RowEvent, ...] = ()
    unchanged: tuple[str, ...] = ()
    whole: bool = False
    sweeps: tuple[Truncation, ...] = ()
    access: tuple[AccessChange, ...] = ()  # new readers of documents that cannot be read again
