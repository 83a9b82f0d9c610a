"""Documents as JSON lines: `{id, title, text, metadata?, acl?}`, gzip too; `_id` is read as `id` (BEIR)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from ingest.changes import Change, ChangeBatch, Failure
from ingest.cleaning import clean_text
from ingest.errors import IngestError, SourceError
from ingest.json_reading import read_json
from ingest.row_values import MAX_KEY_BYTES, is_too_long
from ingest.sources.lines import MAX_LINE_BYTES, Line, read_lines
from ingest.sources.readers import Groups, Readers
from ingest.sources.scan import Clock, next_scan
from retrieval.analysis.language import language_code
from retrieval.types import Deletion, Document, SourcePosition

BATCH_DOCUMENTS = 256
BATCH_BYTES = 4 * 2**20  # of lines; a batch ends at whichever comes first
_KEPT_PAYLOAD = 64 * 1024  # bytes of a bad line kept for the dead letter
_MAX_BLANK = 64  # characters
_FORM = 'expected {"id": "...", "title": "...", "text": "...", "metadata": {...}, "acl": ["group"]}'


class _LineError(IngestError):
    """A line that is no document."""


class JsonlSource:
    """Documents of one JSON Lines file, keyed by `prefix` and their id. Position: (scan number, line number).

    The cursor holds the last scan number: each poll reads the whole file, and the catalog finds by content hash
    what changed. Of an id that is there more than once, the last line counts. `mirror` says whether ids that are gone
    from the file shall be deleted. A line `{"id": ..., "deleted": true}` deletes. Further fields of a line, such as
    `url`, become metadata. `acl` is that of lines which have none of their own (None: as last time, where `remember` is
    told, else the collection's default).
    """

    kind = "jsonl"

    def __init__(
        self,
        path: str | Path,
        name: str = "",
        *,
        mirror: bool = False,
        acl: Groups = None,
        prefix: str = "",
        clock: Clock = time.time,
    ) -> None:
        if not Path(path).is_file():
            raise SourceError(f"file {path} does not exist; name a .jsonl or .jsonl.gz file")
        self._path = Path(path).resolve()
        self.name = name or self._path.as_uri()
        self.mirror = mirror
        self._acl = acl
        self.prefix = prefix
        self._clock = clock

    def remember(self, said: Readers | None, cursor: str | None) -> Readers:
        """Who may read lines without an `acl`, by what earlier runs said and what this one says; see `FileSource`."""
        if self._acl is None and said is not None:
            self._acl = said.acl
        return Readers(self._acl)

    def cursor_for(self, readers: Readers, cursor: str | None) -> str | None:
        """The cursor as it is: each poll reads every line."""
        return cursor

    def poll(self, cursor: str | None) -> Iterator[ChangeBatch]:
        """Batches of documents; a bad line is a failure under its id, else its number. Raises `SourceError`."""
        scan = next_scan(int(cursor) if cursor else None, self._clock)
        last = self._last_lines()
        changes: list[Change] = []
        failures: list[Failure] = []
        size = 0
        for line in read_lines(self._path):
            if not line.data.strip():
                continue
            self._read(line, scan, last, changes, failures)
            size += len(line.data)
            if len(changes) + len(failures) >= BATCH_DOCUMENTS or size >= BATCH_BYTES:
                yield ChangeBatch(tuple(changes), tuple(failures))
                changes, failures, size = [], [], 0
        yield ChangeBatch(tuple(changes), tuple(failures), cursor=str(scan), whole=True)

    def _last_lines(self) -> Mapping[str, int]:
        """The number of the last line of each id.

        Were the lines before it changes too, each poll of the same file would change the document there and back.
        """
        last: dict[str, int] = {}
        for line in read_lines(self._path):
            with suppress(_LineError):
                last[_key(_content(line))] = line.number
        return last

    def _read(
        self, line: Line, scan: int, last: Mapping[str, int], changes: list[Change], failures: list[Failure]
    ) -> None:
        position = SourcePosition((scan, line.number))
        key = ""
        try:
            content = _content(line)
            own = _key(content)
            if line.number < last.get(own, 0):
                return
            key = self.prefix + own
            changes.append(_to_change(key, content, self.name, self._acl, position))
        except _LineError as error:
            known_by = key or f"{self._path.name}:{line.number}"
            reason = f"line {line.number}: {error}"
            failures.append(Failure(known_by, reason, _FORM, line.data[:_KEPT_PAYLOAD], position, named=bool(key)))


def _content(line: Line) -> dict[str, Any]:
    if line.too_long:
        raise _LineError(f"longer than {MAX_LINE_BYTES // 2**20} MiB")
    try:
        content = read_json(line.data)
    except orjson.JSONDecodeError as error:
        raise _LineError(f"not JSON ({error})") from error
    if not isinstance(content, dict):
        raise _LineError(f"a JSON {type(content).__name__}, not an object")
    return content


def _key(content: dict[str, Any]) -> str:
    """The document's key, taken out of the content."""
    key = content.pop("id", None)
    key = content.pop("_id", None) if key is None else key
    if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
        raise _LineError(f"id is {key!r}, expected a text or a number")
    text = _without_nul("id", str(key))
    if is_too_long(text):
        raise _LineError(f"id {text:.80}… is longer than {MAX_KEY_BYTES:,} bytes, expected a shorter one")
    return text


def _to_change(key: str, content: dict[str, Any], source: str, default_acl: Groups, position: SourcePosition) -> Change:
    if content.pop("deleted", False) is True:
        return Deletion(key, source, position)
    text, title = _text(content, "text", required=True), _text(content, "title")
    if _is_blank(text) and _is_blank(title):
        raise _LineError("neither text nor title holds anything")
    return Document(
        key=key,
        text=title if _is_blank(text) else text,
        title=title,
        source=source,
        uri=_without_nul("uri", _text(content, "uri")) or None,
        language=language_code(_without_nul("language", _text(content, "language"))),
        acl=_acl(content, default_acl),
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


def _without_nul(name: str, value: str) -> str:
    if "\0" in value:
        raise _LineError(f"{name} is {value!r:.80}, which holds a NUL character, and no database stores one; remove it")
    return value


def _metadata(content: dict[str, Any]) -> Mapping[str, Any]:
    """The fields left over, under those of `metadata`."""
    metadata = content.pop("metadata", None)
    if metadata is None:
        return content
    if not isinstance(metadata, dict):
        raise _LineError(f"metadata is {metadata!r:.80}, expected an object")
    return {**content, **metadata}


def _acl(content: dict[str, Any], default: Groups) -> Groups:
    acl = content.pop("acl", None)
    if acl is None:
        return default
    if not isinstance(acl, list) or not all(isinstance(group, str) for group in acl):
        raise _LineError(f"acl is {acl!r:.80}, expected a list of group names")
    return tuple(name for group in acl if (name := group.strip()))
