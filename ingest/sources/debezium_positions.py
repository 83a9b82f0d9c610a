"""Where the changes of a Debezium connector stand in its database's log, so that of two the newer one is known.

Layouts: `source` in the "Data change events" chapters of the PostgreSQL, MySQL and MariaDB connectors, Debezium 3, and
the offsets that these connectors store in Kafka Connect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from ingest.errors import EventError
from ingest.positions import placed
from retrieval.types import SourcePosition

INCREMENTAL = "incremental"  # `source.snapshot` of a row that was read while streaming went on
_STREAMED = (None, False, "false")  # `source.snapshot` of what comes from the log
_BINLOG = ("mysql", "mariadb")
_BINLOG_NUMBER = re.compile(r"\.(\d+)$")


def event_position(source: Mapping[str, Any], op: str) -> SourcePosition | None:
    """PostgreSQL: see `_postgres_position`; MySQL, MariaDB: (binlog number, offset, row); None where not given.

    Raises `EventError` where another connector sent it.
    """
    connector = source.get("connector")
    if connector == "postgresql":
        return _postgres_position(source, op)
    if connector in _BINLOG:
        number = _BINLOG_NUMBER.search(str(source.get("file") or ""))
        if number is None:
            return None
        return SourcePosition((int(number[1]), int(source.get("pos") or 0), int(source.get("row") or 0)))
    raise EventError(f"connector is {connector!r}", "expected postgresql, mysql or mariadb")


def sent_until(offset: Mapping[str, Any]) -> SourcePosition | None:
    """Up to where PostgreSQL's connector had sent all changes when it stored this offset; None where that says nothing.

    What it has sent since stands after that.
    """
    place = offset.get("lsn_commit") or offset.get("lsn")
    return SourcePosition((int(place), 0)) if place else None


def last_position(value: Mapping[str, Any]) -> SourcePosition | None:
    """Where the event with that value stands, which another one of the same connector may be compared with.

    None for what is no event.
    """
    source, op = value.get("source"), value.get("op")
    if not isinstance(source, Mapping) or not isinstance(op, str) or source.get("connector") != "postgresql":
        return None
    return placed(_postgres_position(source, op), None)


def _postgres_position(source: Mapping[str, Any], op: str) -> SourcePosition | None:
    """(end of the transaction before, place in the log), which grows in the order in which transactions commit.

    The place alone does not: a long transaction has its changes early in the log and is sent when it commits, after
    snapshots that did not see them. What a snapshot reads is older than all that is sent after it: its place is 0. An
    incremental one is told without a place. Before the connector has seen a transaction end the first number is 0;
    `ingest.positions.placed` decides it. What is streamed has its place whatever `snapshot` says: after a blocking
    snapshot that a restart ended, it says "true" of everything.
    """
    place, ended, snapshot = source.get("lsn"), _last_commit(source.get("sequence")), source.get("snapshot")
    if snapshot == INCREMENTAL:
        return SourcePosition((ended or 0, 0))
    if place is None:
        return None
    if op != "r" or snapshot in _STREAMED:
        return SourcePosition((ended or 0, int(place)))
    return SourcePosition((int(place) if ended is None else ended, 0))


def _last_commit(sequence: Any) -> int | None:
    """The first of `["end of the transaction before", "place"]`, which is JSON in a text."""
    try:
        ended = orjson.loads(sequence)[0]
    except (TypeError, ValueError, LookupError):
        return None
    return None if ended is None else int(ended)
