"""What a dead letter is about: its row beside the one that is stored, and the document that still serves."""

from __future__ import annotations

from typing import Any

import orjson

from api.knowledge_base import KnowledgeBase
from ingest.changes import RowChange
from ingest.connect.names import table_topic
from ingest.errors import EventError, MappingError
from ingest.kafka.live_sources import LIVE, LiveSource
from ingest.kafka.message import Message, row_events
from ingest.row_values import json_row, key_text
from retrieval.catalog import Collection
from retrieval.catalog.sources import DeadLetterRecord
from retrieval.errors import NotFoundError
from retrieval.types import OPERATOR


def about(kb: KnowledgeBase, collection: Collection, letter: DeadLetterRecord) -> dict[str, Any]:
    """`row` (null where it came from no table that is mapped), `document` (null where none of it is stored)."""
    row = _row(kb, collection, letter)
    key = letter.key if row is None else f"{row['table']}/{row['key']}"
    return {"row": row, "document": _document(kb, collection, key)}


def _row(kb: KnowledgeBase, collection: Collection, letter: DeadLetterRecord) -> dict[str, Any] | None:
    try:
        record = kb.catalog.sources.get(collection, letter.source)
        if record.kind != LIVE or letter.topic is None:
            return None
        source = LiveSource.of(record)
    except (NotFoundError, MappingError, KeyError):
        return None
    prefix = record.config["topic_prefix"]
    tables = [one for one in sorted(source.mapping.all_tables) if table_topic(prefix, one) == letter.topic]
    if not tables:
        return None
    received, key = _received(source, letter)
    stored = kb.catalog.sources.rows(record).read(tables[0], key) if key else None
    return {
        "table": tables[0],
        "key": key,
        "received": received,
        "stored": None if stored is None else stored[1],
        "stored_position": None if stored is None else stored[0].encode(),
        "needed": sorted(source.mapping.columns_of(tables[0])),
    }


def _received(source: LiveSource, letter: DeadLetterRecord) -> tuple[dict[str, Any] | None, str]:
    """The row as the message has it and its key; decoded as rows are stored where the message is understood."""
    place = (letter.topic or "", letter.partition or 0, letter.offset or 0)
    message = Message(*place, letter.message_key, letter.payload, letter.headers)
    try:
        events = [one for one in row_events(message, source.kinds) if isinstance(one, RowChange)]
    except EventError:
        events = []
    if events:
        return (None if events[-1].row is None else json_row(events[-1].row)), events[-1].pk
    return _payload(letter.payload, "after"), _key(letter.message_key)


def _key(data: bytes | None) -> str:
    values = _payload(data, None)
    return key_text(list(values.values())) if values else ""


def _payload(data: bytes | None, part: str | None) -> dict[str, Any] | None:
    """An object in what came from outside, whatever came."""
    try:
        value = orjson.loads(data or b"null")
    except orjson.JSONDecodeError:
        return None
    if isinstance(value, dict) and isinstance(value.get("payload"), dict):
        value = value["payload"]
    if isinstance(value, dict) and part is not None:
        value = value.get(part)
    return value if isinstance(value, dict) else None


def _document(kb: KnowledgeBase, collection: Collection, key: str) -> dict[str, Any] | None:
    try:
        stored = kb.catalog.documents.get(collection, key, OPERATOR)
    except NotFoundError:
        return None
    as_of = stored.document.committed_at or stored.cataloged_at
    return {"key": key, "title": stored.document.title, "version": stored.version, "as_of": as_of}
