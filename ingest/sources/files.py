"""A file or a folder of files as documents; what did not change since the last scan is not read again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ingest.changes import ChangeBatch, Failure
from ingest.errors import ParseError, SourceError
from ingest.parsers import check_size, parse_file, parser_for
from ingest.sources.manifest import Manifest, Stamp
from ingest.sources.scan import Clock, next_scan
from retrieval.types import Document, SourcePosition

BATCH_FILES = 32
BATCH_CHARACTERS = 2_000_000  # of parsed text; a batch ends at whichever comes first


class FileSource:
    """Documents of a folder and its sub-folders, or one file. Keys are paths relative to the folder, with "/".

    Hidden files and folders and symbolic links that leave the folder are passed over; a file that cannot be read
    is a `Failure` and is tried again next time. Position: (scan number,). A folder is a mirror, a single file not.
    """

    kind = "files"

    def __init__(self, path: str | Path, name: str = "", acl: tuple[str, ...] | None = None, clock: Clock = time.time):
        self._path = Path(path).resolve()
        if not self._path.exists():
            raise SourceError(f"path {path} does not exist; name a file or a folder")
        self.mirror = self._path.is_dir()
        self._root = self._path if self.mirror else self._path.parent
        self.name = name or self._root.as_uri()
        self._acl = acl
        self._clock = clock

    def __len__(self) -> int:
        """How many files a poll would look at now."""
        return sum(1 for _ in self._files())

    def poll(self, cursor: str | None) -> Iterator[ChangeBatch]:
        """Batches of new and changed files; the last one carries the cursor with the stamps of all files read.

        Raises `SourceError` when the folder cannot be listed.
        """
        old = Manifest.decode(cursor)
        scan = next_scan(old.scan, self._clock)
        stamps = {} if self.mirror else dict(old.files)
        batch = _Batch()
        for path in self._files():
            self._visit(path, old.files, scan, stamps, batch)
            if batch.is_full:
                yield batch.frozen()
                batch = _Batch()
        yield batch.frozen(Manifest(scan, stamps).encode())

    def _files(self) -> Iterator[Path]:
        if not self.mirror:
            yield self._path
            return
        for folder, subfolders, files in os.walk(self._root, onerror=_refuse):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            yield from (Path(folder, name) for name in sorted(files) if not name.startswith((".", "~$")))

    def _visit(
        self, path: Path, known: Mapping[str, Stamp], scan: int, stamps: dict[str, Stamp], batch: _Batch
    ) -> None:
        key = path.relative_to(self._root).as_posix()
        try:
            if not path.resolve().is_relative_to(self._root):
                return
            stamp = Stamp.of(path)
            if known.get(key) == stamp:
                batch.unchanged.append(key)
            else:
                batch.changes.append(self._document(path, key, scan))
            if stamp.settled(scan):
                stamps[key] = stamp
        except ParseError as error:
            batch.failures.append(_failure(key, error.reason, error.remedy, scan))
        except OSError as error:
            batch.failures.append(
                _failure(key, f"{key} cannot be read: {error.strerror or error}", "check its permissions", scan)
            )

    def _document(self, path: Path, key: str, scan: int) -> Document:
        parser_for(path.name)
        status = path.stat()
        check_size(status.st_size, path.name)
        parsed = parse_file(path.read_bytes(), path.name)
        return Document(
            key=key,
            text=parsed.text,
            title=parsed.title,
            source=self.name,
            uri=path.as_uri(),
            language=parsed.language,
            metadata={"file_name": path.name, **parsed.metadata},
            acl=self._acl,
            outline=parsed.outline,
            position=SourcePosition((scan,)),
            committed_at=datetime.fromtimestamp(status.st_mtime, UTC),
        )


@dataclass(slots=True)
class _Batch:
    """What was found since the last batch."""

    changes: list[Document] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        characters = sum(len(change.text) for change in self.changes)
        return len(self.changes) >= BATCH_FILES or characters >= BATCH_CHARACTERS

    def frozen(self, cursor: str | None = None) -> ChangeBatch:
        return ChangeBatch(tuple(self.changes), tuple(self.failures), cursor=cursor, unchanged=tuple(self.unchanged))


def _failure(key: str, reason: str, remedy: str, scan: int) -> Failure:
    return Failure(key, reason, remedy, position=SourcePosition((scan,)))


def _refuse(error: OSError) -> None:
    raise SourceError(f"folder {error.filename} cannot be listed: {error.strerror}; check its permissions") from error
