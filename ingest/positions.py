"""Compares positions of changes where a source leaves part of one open.

PostgreSQL's changes are ordered by (end of the transaction before, place in the log): transactions are sent as they
commit, while a long one has its changes early in the log. Before a connector has seen its first transaction end, the
first number is not known; such a change says 0 there.

A table of MySQL or MariaDB that is read again comes with a place in the log before which nothing of it was read. That
place may lie before changes that the same connector has sent already.
"""

from __future__ import annotations

from retrieval.types import SourcePosition

UNPLACED = SourcePosition(())  # older than every other position


def placed(position: SourcePosition | None, stored: SourcePosition | None) -> SourcePosition | None:
    """The position with its open part decided against the stored one of the same row.

    The connector's first transaction comes after what it read in its snapshot, wherever in the log that stands.
    """
    if position is None or len(position.values) != 2 or position.values[0] != 0:
        return position
    place = position.values[1]
    known = stored.values[0] if stored is not None and len(stored.values) == 2 else 0
    return SourcePosition((max(known, place), place))
