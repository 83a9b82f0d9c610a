"""Documents as JSON lines: `{id, title, text, metadata?, acl?}`, gzip too; `_id` is read as `id` (BEIR)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from ingest.changes import Change, ChangeBatch, Failure
from ingest.cleaning import clean_text
from ingest.errors import IngestError, SourceError
from ingest.sources.lines import MAX_LINE_BYTES, Line, read_lines
from ingest.sources.scan import Clock, next_scan
from retrieval.types import Deletion, Document, SourcePosition

BATCH_DOCUMENTS = 256
BATCH_BYTES = 4 * 2**20  # of lines; a batch ends at whichever comes first
_KEPT_PAYLOAD = 64 * 1024  # bytes of a bad line kept for the dead letter
_MAX_BLANK = 64  # characters
_FORM = 'expected {"id": "...", "title": "...", "text": "...", "metadata": {...}, "acl": ["group"]}'


class _LineError(IngestError):
    """A line that is no document."""


class JsonlSource:
    """Documents of one JSON Lines file, keyed by their id. Position: (scan number, line number).

    The cursor holds the last scan number: each poll reads the whole file, and the catalog finds by content hash
    what changed. `mirror` says whether ids that are gone from the file shall be deleted. A line
    `{"id": ..., "deleted": true}` deletes. Further fields of a line, such as `url`, become metadata.
    """

    kind = "jsonl"

    def __init__(self, path: str | Path, name: str = "", *, mirror: bool = False, clock: Clock = time.time) -> None:
        self._path = Path(path).resolve()
        if not self._path.is_file():
            raise SourceError(f"file {path} does not exist; name a .jsonl or .jsonl.gz file")
        self.name = name or self._path.as_uri()
        self.mirror = mirror
        self._clock = clock

    def poll(self, cursor: str | None) -> Iterator[ChangeBatch]:
        """Batches of documents; a bad line is a failure with its number. Raises `SourceError`."""
        scan = next_scan(int(cursor) if cursor else None, self._clock)
        changes: list[Change] = []
        failures: list[Failure] = []
        size = 0
        for line in read_lines(self._path):
            if not line.data.strip():
                continue
            self._read(line, scan, changes, failures)
            size += len(line.data)
            if len(changes) + len(failures) >= BATCH_DOCUMENTS or size >= BATCH_BYTES:
                yield ChangeBatch(tuple(changes), tuple(failures))
                changes, failures, size = [], [], 0
        yield ChangeBatch(tuple(changes), tuple(failures), cursor=str(scan))

    def _read(self, line: Line, scan: int, changes: list[Change], failures: list[Failure]) -> None:
        position = SourcePosition((scan, line.number))
        try:
            changes.append(self._change(line, position))
        except _LineError as error:
            key = f"{self._path.name}:{line.number}"
            failures.append(Failure(key, f"line {line.number}: {error}", _FORM, line.data[:_KEPT_PAYLOAD], position))

    def _change(self, line: Line, position: SourcePosition) -> Change:
        if line.too_long:
            raise _LineError(f"longer than {MAX_LINE_BYTES // 2**20} MiB")
        try:
            content = orjson.loads(line.data.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            raise _LineError(f"not JSON ({error})") from error
        if not isinstance(content, dict):
            raise _LineError(f"a JSON {type(content).__name__}, not an object")
        return _to_change(content, self.name, position)


def _to_change(content: dict[str, Any], source: str, position: SourcePosition) -> Change:
    key = content.pop("id", None)
    key = content.pop("_id", None) if key is None else key
    if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
        raise _LineError(f"id is {key!r}, expected a text or a number")
    if content.pop("deleted", False) is True:
        return Deletion(str(key), source, position)
    text, title = _text(content, "text", required=True), _text(content, "title")
    if _is_blank(text) and _is_blank(title):
        raise _LineError("neither text nor title holds anything")
    return Document(
        key=str(key),
        text=title if _is_blank(text) else text,
        title=title,
        source=source,
        uri=_text(content, "uri") or None,
        language=_text(content, "language"),
        acl=_acl(content),
        metadata=_metadata(content),  # last: it takes the fields that the others left
        position=position,
    )


def _is_blank(text: str) -> bool:
    """Whether nothing is left of it when it is mended; a long text is taken to hold something."""
    return not text.strip() or (len(text) <= _MAX_BLANK and not clean_text(text))


def _text(content: dict[str, Any], name: str, *, required: bool = False) -> str:
    value = content.pop(name, None)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise _LineError(f"{name} is {value!r:.80}, expected a text")
    return value


def _metadata(content: dict[str, Any]) -> Mapping[str, Any]:
    """The fields left over, under those of `metadata`."""
    metadata = content.pop("metadata", None)
    if metadata is None:
        return content
    if not isinstance(metadata, dict):
        raise _LineError(f"metadata is {metadata!r:.80}, expected an object")
    return {**content, **metadata}


def _acl(content: dict[str, Any]) -> tuple[str, ...] | None:
    acl = content.pop("acl", None)
    if acl is None:
        return None
    if not isinstance(acl, list) or not all(isinstance(group, str) for group in acl):
        raise _LineError(f"acl is {acl!r:.80}, expected a list of group names")
    return tuple(acl)
