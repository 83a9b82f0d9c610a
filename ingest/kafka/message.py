"""One Kafka message: what it says of rows, and the dead letter it becomes when it cannot be understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ingest.changes import RowEvent
from ingest.errors import EventError, IngestError
from ingest.pipeline import DEAD_LETTER_PAYLOAD_BYTES
from ingest.sources.column_kinds import NO_KINDS, Kinds
from ingest.sources.debezium_events import NO_WATERMARKS, read_message
from retrieval.catalog import DeadLetter
from retrieval.catalog.offsets import Partition
from retrieval.types import SourcePosition

REASON_CHARACTERS = 1_000  # of a reason that is kept; a library's message may quote the whole input


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was received; `value` None is a tombstone."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def place(self) -> str:
        """`topic/partition@offset`: names the message among all."""
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def stream(self) -> Partition:
        """The partition it came from."""
        return self.topic, self.partition

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


def row_events(
    message: Message, kinds: Kinds = NO_KINDS, watermarks: Mapping[str, SourcePosition] = NO_WATERMARKS
) -> list[RowEvent]:
    """What the message says of rows; nothing for tombstones and for what concerns no row. Raises `EventError`.

    `kinds` and `watermarks` as `read_message` takes them.
    """
    if message.value is None:
        return []
    key = None if message.key is None else _json(message.key, "key")
    value = _json(message.value, "value")
    try:
        return read_message(key, value, None, message.headers, kinds, watermarks)
    except EventError:
        raise
    except Exception as error:  # it came from outside and may have any shape; no shape may stop the others
        raise EventError(
            f"the event has a shape that is not understood ({type(error).__name__}: {error})",
            "expected a change event as Debezium's JSON converter writes it",
        ) from error


def dead_letter(source: str, message: Message, error: Exception) -> DeadLetter:
    """The message as a dead letter with what is wrong and what to do, its payload cut where it is very long."""
    reason, remedy = _words(error)
    return DeadLetter(
        source=source,
        key=message.place,
        reason=reason[:REASON_CHARACTERS],
        remedy=remedy[:REASON_CHARACTERS],
        payload=None if message.value is None else message.value[:DEAD_LETTER_PAYLOAD_BYTES],
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        message_key=message.key,
        headers=message.headers,
    )


def _json(data: bytes, part: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise EventError(
            f"the {part} is not JSON ({error})", "let the connector use org.apache.kafka.connect.json.JsonConverter"
        ) from error


def _words(error: Exception) -> tuple[str, str]:
    if isinstance(error, EventError):
        return error.reason, error.remedy
    if isinstance(error, IngestError):
        return str(error), "mend the mapping or the table, then replay"
    return f"{type(error).__name__}: {error}", "the log of the worker has the whole error; mend the row, or replay"
