"""Has a connector read tables once more, and notes how far it had sent changes by then.

Debezium reads the first rows of a table beside the stream for a moment: a change that is sent meanwhile does not take
the place of what was read of its row before, nor does a truncation ever. So rows that are read while streaming goes on
count as older than all that was sent since they were asked for.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.connect.client import ConnectClient
from ingest.connect.inspection import Capture
from ingest.connect.topics import Topics
from ingest.sources.debezium_positions import sent_until


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Tables that are being read again."""

    id: str
    kind: str  # incremental, blocking or full
    tables: list[str]


def kind_of(capture: Capture, *, blocking: bool) -> str:
    """How tables are read again: streaming waits where the database tells no watermarks."""
    return "incremental" if capture.read_only_snapshots and not blocking else "blocking"


def ask(topics: Topics, prefix: str, kind: str, tables: Sequence[str]) -> Snapshot:
    """Tell the connector to read them. Raises `SourceOutageError`."""
    snapshot = Snapshot(str(uuid.uuid4()), kind, list(tables))
    data = {"type": kind, "data-collections": [re.escape(table) for table in tables]}
    topics.signal(prefix, "execute-snapshot", data, snapshot.id)
    return snapshot


def noted(connect: ConnectClient, config: Mapping[str, Any], tables: Iterable[str]) -> dict[str, Any]:
    """The part of a source's configuration that says how far these tables' changes are sent now.

    To be stored before the tables are asked for, and after the connector is as it is to read them. It says less than
    is true where the connector has not stored its newest offset yet, which does no harm.
    """
    reached = [position for offset in connect.offsets(config["connector"]) if (position := sent_until(offset))]
    if not reached:
        return {}
    at = min(reached).encode()
    return {"asked": {**config.get("asked", {}), **dict.fromkeys(sorted(tables), at)}}
