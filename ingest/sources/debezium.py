"""Change events as Debezium writes them, one JSON object a line, read from a file that may still grow."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from ingest.changes import ChangeBatch, Failure, RowEvent
from ingest.errors import EventError, SourceError
from ingest.sources.debezium_events import read_event
from ingest.sources.lines import MAX_LINE_BYTES, Line, open_unpacked, read_lines

BATCH_EVENTS = 500
_KEPT_PAYLOAD = 64 * 1024  # bytes of a bad event kept for the dead letter
_HEAD_BYTES = 1024  # appending does not change them; of one table's events with schemas they are equal in every file

logger = logging.getLogger(__name__)


class DebeziumFileSource:
    """Row changes from a file of change events of the PostgreSQL, MySQL and MariaDB connectors; gzip too.

    A line is the value of a Kafka message or `{"key": ..., "value": ...}`, each with or without Debezium's schema.
    Where there is no key, `keys` names the key columns of a table; by default the column `id`. The cursor is the
    byte after the last complete line, so that the next poll goes on where the file grew; a file whose beginning or
    last line read is another was replaced and is read from its beginning, and the positions of its events say which
    of them are news.
    """

    kind = "debezium"
    mirror = False

    def __init__(self, path: str | Path, name: str = "", keys: Mapping[str, Sequence[str]] | None = None) -> None:
        if not Path(path).is_file():
            raise SourceError(f"file {path} does not exist; name a file of change events, one JSON object a line")
        self._path = Path(path).resolve()
        self.name = name or self._path.as_uri()
        self._keys = keys or {}

    def poll(self, cursor: str | None) -> Iterator[ChangeBatch]:
        """Batches of row changes; an event that cannot be understood is a failure. Raises `SourceError`."""
        place = self._resume(cursor)
        first_line, batch = place.line, _Batch()
        for line in read_lines(self._path, place.offset):
            if not line.complete and not _is_json(line.data):
                logger.info(
                    "%s ends in the middle of line %d; it is left for later", self._path, first_line + line.number
                )
                break
            place = place.after(line, first_line + line.number)
            self._read(line, place.line, batch)
            if len(batch.events) + len(batch.failures) >= BATCH_EVENTS:
                yield batch.frozen(replace(place, head=self._head(place.offset)))
                batch = _Batch()
        yield batch.frozen(replace(place, head=self._head(place.offset)))

    def _resume(self, cursor: str | None) -> _Place:
        content = {} if cursor is None else orjson.loads(cursor)
        if "last" not in content:  # earlier versions did not know a replaced file by its last line
            return _Place()
        place = _Place(**content)
        is_same = place.head == self._head(place.offset) and self._has_last(place)
        return place if is_same else _Place()

    def _head(self, offset: int) -> str:
        """What the first bytes before that offset hash to; "" where there are none."""
        with open_unpacked(self._path) as file:
            head = file.read(min(offset, _HEAD_BYTES))
        return _hash(head) if head else ""

    def _has_last(self, place: _Place) -> bool:
        """Whether the last line read is still there; a packed file is unpacked up to there."""
        if not place.tail:
            return True
        line = next(read_lines(self._path, place.last), None)
        return line is not None and _hash(line.data) == place.tail

    def _read(self, line: Line, number: int, batch: _Batch) -> None:
        if not line.data.strip():
            return
        try:
            if line.too_long:
                raise EventError(f"longer than {MAX_LINE_BYTES // 2**20} MiB", "exclude the large columns")
            batch.events.extend(read_event(line.data, self._keys))
        except EventError as error:
            key = f"{self._path.name}:{number}"
            reason = f"line {number}: {error.reason}"
            batch.failures.append(Failure(key, reason, error.remedy, line.data[:_KEPT_PAYLOAD], named=False))


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a file was read: the cursor."""

    offset: int = 0  # bytes, unpacked
    line: int = 0
    head: str = ""  # hash of the first bytes; this and the next two notice a file that was replaced
    last: int = 0  # byte at which the last line that is not blank began
    tail: str = ""  # hash of that line; "" where there is none

    def after(self, line: Line, number: int) -> _Place:
        """Where this line, the next one, was read too; `head` is left to the caller."""
        if not line.data.strip():
            return replace(self, offset=line.end, line=number)
        return replace(self, offset=line.end, line=number, last=self.offset, tail=_hash(line.data))

    def encode(self) -> str:
        return orjson.dumps(self).decode()


@dataclass(slots=True)
class _Batch:
    """What was read since the last batch."""

    events: list[RowEvent] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def frozen(self, place: _Place) -> ChangeBatch:
        return ChangeBatch((), tuple(self.failures), place.encode(), tuple(self.events))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True
