"""Rows of which a column is not known yet.

PostgreSQL does not send a large value that an update left alone. Where the row is not stored either, because what came
before it is still under way or was lost, its value is unknown. Such a row waits: it is no document and joins nothing,
until an older change that arrives late, the other half of a change of key, a newer snapshot, or a look at the source
(`Reconciler.mend_waiting`) brings the value.
A value that is kept from the stored row is shown; an older change that was set aside may still bring a newer one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ingest.row_values import JsonRow
from retrieval.types import SourcePosition

# What is not known, kept with the row under a name that no database allows for a column: column -> as of which
# position its value is known, None where it is not. EVERYTHING: the row itself has not arrived. KEPT before a position:
# the update after it left the value alone, so it is known unless an event between the two was set aside.
UNKNOWN = ""
EVERYTHING = "*"
KEPT = "="
ROWS_INCOMPLETE = "rows_incomplete"  # the notice that rows of a table wait


def waits(row: Mapping[str, Any], needed: Collection[str]) -> bool:
    """Whether something that is needed of this row is not known."""
    unknown = row.get(UNKNOWN)
    if not unknown:
        return False
    return any(at is None and (column in needed or column == EVERYTHING) for column, at in unknown.items())


def with_kept(
    row: JsonRow, not_sent: Collection[str], before: JsonRow | None, at: SourcePosition | None = None
) -> JsonRow:
    """The row with what was not sent taken from the row before, and marked where that does not know it.

    `at`: where the row before stands, None where it is this change itself that came before.
    """
    if not not_sent:
        return row
    known = before or {}
    told = known.get(UNKNOWN, {})
    unknown = {column: told.get(column) for column in not_sent if column in told or column not in known}
    kept = {column: known[column] for column in not_sent if column in known}
    if at is not None:
        unknown |= dict.fromkeys(kept.keys() - told.keys(), KEPT + at.encode())
    return row | kept | ({UNKNOWN: unknown} if unknown else {})


def filled(row: JsonRow, older: Mapping[str, Any], at: SourcePosition, final: bool = False) -> JsonRow:
    """The row with unknown columns as an older change has them, where no newer one has told them.

    `final`: nothing came between the older change and the row, so what it tells is known for good.
    """
    unknown: dict[str, str | None] = dict(row.get(UNKNOWN, {}))
    values = {}
    for column, mark in list(unknown.items()):
        if column in older and (mark is None or SourcePosition.decode(mark.removeprefix(KEPT)) < at):
            values[column] = older[column]
            unknown[column] = (KEPT if _is_kept(mark) else "") + at.encode()
            if final:
                del unknown[column]
    if not values:
        return row
    rest = {column: value for column, value in row.items() if column != UNKNOWN}
    return rest | values | ({UNKNOWN: unknown} if unknown else {})


def announced(former: JsonRow) -> JsonRow:
    """A row that is known to come under another key, with the values it had; nobody sees it yet.

    What was kept is known for good there: older changes under the new key are those of another row.
    """
    told = {column: mark for column, mark in former.get(UNKNOWN, {}).items() if not _is_kept(mark)}
    return {**former, UNKNOWN: {**told, EVERYTHING: None}}


def is_announced(row: Mapping[str, Any]) -> bool:
    """Whether the row itself has not arrived."""
    return EVERYTHING in row.get(UNKNOWN, ())


def known_values(row: Mapping[str, Any]) -> JsonRow:
    """The columns whose value is known, for a row that moves to another key."""
    told = row.get(UNKNOWN, {})
    return {
        column: value
        for column, value in row.items()
        if column != UNKNOWN and (column not in told or _is_kept(told[column]))
    }


def _is_kept(mark: str | None) -> bool:
    return mark is not None and mark.startswith(KEPT)
