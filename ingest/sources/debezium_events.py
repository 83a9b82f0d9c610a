"""One Debezium message to row changes: envelope, operation, key and position.

Layouts: the "Data change events" chapters of the PostgreSQL, MySQL and MariaDB connectors, Debezium 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from ingest.changes import RowChange, RowEvent, Truncation
from ingest.errors import EventError
from ingest.row_values import MAX_KEY_BYTES, is_too_long, key_text
from ingest.sources.column_kinds import NO_KINDS, Kinds
from ingest.sources.debezium_positions import INCREMENTAL, event_position
from ingest.sources.debezium_values import UNAVAILABLE, decode_row, field_schema
from retrieval.types import SourcePosition

_WRITES = ("r", "c", "u")  # snapshot read, insert, update
_FORM = 'expected a Debezium envelope with "op" and "source"; do not unwrap events (ExtractNewRecordState) on the way'
NO_WATERMARKS: Mapping[str, SourcePosition] = {}


def read_event(data: bytes, keys: Mapping[str, Sequence[str]]) -> list[RowEvent]:
    """The row changes of one message: usually one, two where a key changed, none for what concerns no row.

    Raises `EventError`.
    """
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise EventError(f"not JSON ({error})", "write one JSON object a line") from error
    if message is None:
        return []  # a tombstone, written as a bare null
    if not isinstance(message, dict):
        raise EventError(f"a JSON {type(message).__name__}, not an object", _FORM)
    if "value" in message and "op" not in message and "payload" not in message:
        headers = [(str(name), str(content).encode()) for name, content in message.get("headers") or ()]
        return read_message(message.get("key"), message["value"], keys, headers)
    return read_message(None, message, keys)


def read_message(
    key: Any,
    value: Any,
    keys: Mapping[str, Sequence[str]] | None,
    headers: Sequence[tuple[str, bytes]] = (),
    kinds: Kinds = NO_KINDS,
    watermarks: Mapping[str, SourcePosition] = NO_WATERMARKS,
) -> list[RowEvent]:
    """The row changes of a message whose key and value are parsed already. Raises `EventError`.

    `keys` names the key columns of tables whose messages have no key, by default the column `id`; None: every message
    must have one. `headers` say which key the other half of a change of key has. `kinds` tells what columns hold
    where messages come without schemas. `watermarks`: up to where changes of a table were sent when it was last asked
    for again; rows that are read while streaming goes on stand there at most.
    """
    if value is None:
        return []  # a tombstone: the delete before it said all
    key_payload, key_schema = _unwrap(key)
    envelope, schema = _unwrap(value)
    if not isinstance(envelope, dict):
        raise EventError(f"the value is a JSON {type(envelope).__name__}, not an object", _FORM)
    if _concerns_no_row(envelope):
        return []
    source, op = envelope.get("source"), envelope.get("op")
    if not isinstance(source, dict) or not isinstance(op, str):
        raise EventError(f"the value has the fields {', '.join(sorted(envelope)) or 'none'}", _FORM)
    table, position, committed_at = _table(source), event_position(source, op), _committed_at(source, envelope)
    low = watermarks.get(table) if op == "r" and source.get("snapshot") == INCREMENTAL else None
    if low is not None and position is not None:
        position = min(low, position)  # it may be of an earlier reading, before changes that were sent since
    if op == "t":
        return [Truncation(table, position, committed_at)]
    kind = kinds.get(table)
    before = decode_row(envelope.get("before"), field_schema(schema, "before"), kind)
    after = decode_row(envelope.get("after"), field_schema(schema, "after"), kind)
    columns, own_key = _key(decode_row(key_payload, key_schema, kind), table, before, after, keys)
    if is_too_long(own_key):
        raise EventError(f"the key {own_key:.80}… is longer than {MAX_KEY_BYTES:,} bytes", "give the row a shorter one")
    moved = _moved(headers, op, key_schema, kind) if headers else None
    if op == "d":
        return [RowChange(table, own_key, None, position, committed_at, moved=moved)]
    if op not in _WRITES or after is None:
        raise EventError(f"op is {op!r} and after is {envelope.get('after')!r:.40}", "expected r, c, u, d or t")
    unavailable = frozenset(column for column, content in after.items() if content is UNAVAILABLE)
    row = {column: content for column, content in after.items() if column not in unavailable}
    former = _former_key(columns, before, own_key)
    if former is None:
        again = low is not None
        supersedes = op == "r" and not again
        return [RowChange(table, own_key, row, position, committed_at, unavailable, moved, supersedes, again)]
    return [
        RowChange(table, former, None, position, committed_at, moved=own_key),
        RowChange(table, own_key, row, position, committed_at, unavailable, former),
    ]


def _moved(
    headers: Sequence[tuple[str, bytes]], op: str, key_schema: Any, kind: Mapping[str, Any] | None
) -> str | None:
    """The key of the other half, where this message is half of a change of key."""
    wanted = "__debezium.newkey" if op == "d" else "__debezium.oldkey"
    for name, content in headers:
        if name == wanted:
            try:
                payload, schema = _unwrap(orjson.loads(content))
            except orjson.JSONDecodeError:
                return None  # another header converter; only unchanged large values need it
            row = decode_row(payload, schema or key_schema, kind)
            return key_text(list(row.values())) if row else None
    return None


def _unwrap(part: Any) -> tuple[Any, Any]:
    """(payload, schema) of a key or value, with or without Debezium's wrapper."""
    if isinstance(part, dict) and "payload" in part and part.keys() <= {"schema", "payload"}:
        return part["payload"], part.get("schema")
    return part, None


def _concerns_no_row(envelope: Mapping[str, Any]) -> bool:
    """Logical messages, schema changes, transaction marks and heartbeats."""
    if envelope.get("op") == "m" or "ddl" in envelope or "tableChanges" in envelope:
        return True
    if envelope.get("status") in ("BEGIN", "END") and "op" not in envelope:
        return True
    return envelope.keys() <= {"ts_ms", "ts_us", "ts_ns"} and bool(envelope)


def _table(source: Mapping[str, Any]) -> str:
    schema, table = source.get("schema") or source.get("db"), source.get("table")
    if not schema or not table:
        raise EventError(f"source names schema {schema!r} and table {table!r}", "expected both")
    return f"{schema}.{table}"


def _committed_at(source: Mapping[str, Any], envelope: Mapping[str, Any]) -> datetime | None:
    milliseconds = source.get("ts_ms") or envelope.get("ts_ms")  # 0 in snapshots of some connectors
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if isinstance(milliseconds, int | float) else None


def _key(
    key: Mapping[str, Any] | None,
    table: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    keys: Mapping[str, Sequence[str]] | None,
) -> tuple[list[str], str]:
    """The key's columns and its text: from the message's key, else from the row."""
    if key:
        return list(key), key_text(list(key.values()))
    if keys is None:
        raise EventError(
            f"table {table} has no primary key, so its rows cannot be told apart",
            "give the table a primary key, or name key columns in the connector's message.key.columns, then take a "
            "new snapshot of the table",
        )
    row = after or before or {}
    columns = list(keys.get(table, ["id"]))
    missing = [column for column in columns if row.get(column) is None or row.get(column) is UNAVAILABLE]
    if missing:
        raise EventError(
            f"an event of {table} has no key, and its row no column {', '.join(missing)}",
            'write {"key": ..., "value": ...} lines, and give the table a primary key or message.key.columns',
        )
    return columns, key_text([row[column] for column in columns])


def _former_key(columns: Sequence[str], before: Mapping[str, Any] | None, own_key: str) -> str | None:
    """The key that the row had before, where the event itself tells of a change."""
    if before is None or any(before.get(column) is None or before[column] is UNAVAILABLE for column in columns):
        return None
    former = key_text([before[column] for column in columns])
    return None if former == own_key else former
