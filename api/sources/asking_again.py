"""Has a connector read tables once more, and tells how far it had sent changes by then.

Debezium reads the first rows of a table beside the stream for a moment: a change that is sent meanwhile does not take
the place of what was read of its row before, nor does a truncation ever. So rows that are read while streaming goes on
count as older than all that was sent since they were asked for.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.connect.client import ConnectClient
from ingest.connect.inspection import Capture
from ingest.connect.names import table_topic, table_topics
from ingest.connect.topics import Topics
from ingest.sources.debezium_positions import last_position, sent_until

INCREMENTAL, BLOCKING = "incremental", "blocking"  # streaming goes on, or waits


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Tables that are being read again."""

    id: str
    kind: str  # incremental, blocking or full
    tables: list[str]


def kind_of(capture: Capture, *, blocking: bool) -> str:
    """How tables are read again: streaming waits where the database tells no watermarks."""
    return INCREMENTAL if capture.read_only_snapshots and not blocking else BLOCKING


def ask(topics: Topics, prefix: str, kind: str, tables: Sequence[str]) -> Snapshot:
    """Tell the connector to read them. Raises `SourceOutageError`."""
    snapshot = Snapshot(str(uuid.uuid4()), kind, list(tables))
    data = {"type": kind, "data-collections": [re.escape(table) for table in tables]}
    topics.signal(prefix, "execute-snapshot", data, snapshot.id)
    return snapshot


def watermarks(
    connect: ConnectClient, topics: Topics, config: Mapping[str, Any], tables: Sequence[str]
) -> dict[str, str]:
    """Up to where the changes of each of these tables are sent now, as encoded positions.

    To be stored with the source before the tables are asked for, and after the connector is as it is to read them. What
    is on its way to Kafka counts as sent later. Raises `SourceOutageError`.
    """
    prefix = config["topic_prefix"]
    stored = [sent_until(offset) for offset in connect.offsets(config["connector"])]
    newest = topics.last_values(table_topics(prefix, tables))
    reached: dict[str, str] = {}
    for table in sorted(tables):
        told = [*stored, *(last_position(value) for value in newest.get(table_topic(prefix, table), ()))]
        if known := [position for position in told if position is not None]:
            reached[table] = max(known).encode()
    return reached
