"""What a file scan remembers: for each file read, when it changed last and how long it was."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ingest.sources.readers import Readers

# Bumped when parsers or cleaning change what they make of a file, so that every file is read again.
READER_VERSION = 8

# A file written to within this long before the scan may change once more under the same time stamp: file systems
# count in steps of up to 2 s (FAT).
_SETTLED_MS = 2_000


class Stamp(NamedTuple):
    """Two equal stamps of one path: the same content, unless someone forged the time."""

    modified_ns: int
    size: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """The stamp of a file as it is now. Raises `OSError`."""
        status = path.stat()
        return cls(status.st_mtime_ns, status.st_size)

    def settled(self, scan: int) -> bool:
        """Whether the file was old enough at that scan (ms since the epoch) for its stamp to be trusted."""
        return self.modified_ns // 1_000_000 + _SETTLED_MS < scan


@dataclass(frozen=True, slots=True)
class Manifest:
    """The stamps of all files of the last complete scan, by key, and who may read them; a file source's cursor."""

    scan: int | None = None
    files: dict[str, Stamp] = field(default_factory=dict)
    readers: Readers = Readers()  # which their documents were given

    def encode(self) -> str:
        """Compact JSON for the catalog."""
        content = {"version": READER_VERSION, "scan": self.scan, **self.readers.to_json(), "files": self.files}
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def decode(cls, cursor: str | None, prefix: str = "") -> Manifest:
        """The inverse of `encode`; without stamps when there is no cursor or another version of readers wrote it.

        `prefix`: of the keys, which earlier versions also put before the files that have readers of their own.
        """
        if cursor is None:
            return cls()
        content = json.loads(cursor)
        readers = Readers.from_json(content, prefix)
        if content["version"] != READER_VERSION:
            return cls(content["scan"], readers=readers)
        return cls(content["scan"], {key: Stamp(*stamp) for key, stamp in content["files"].items()}, readers)

    def known(self, readers: Readers, prefix: str) -> dict[str, Stamp]:
        """Files, by key, whose documents need not be made again to have those readers."""
        paths = ((key, key.removeprefix(prefix)) for key in self.files)
        return {key: self.files[key] for key, path in paths if self.readers.of(path) == readers.of(path)}
