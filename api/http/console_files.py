"""The console's built files, read once and kept compressed; a new build is noticed while we serve."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DIST = Path(__file__).resolve().parent.parent / "console" / "dist"
INDEX = "index.html"
HASHED = "assets/"  # Vite names what is in there by its content
OF_COLLECTIONS = "c/"  # pages about one collection, whose things may have a dot in their names
MIN_COMPRESSED = 1_024  # bytes: below, the header of gzip eats the gain
COMPRESSIBLE = ("text/", "application/json", "application/javascript", "image/svg+xml", "application/manifest+json")
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}


@dataclass(frozen=True, slots=True)
class ConsoleFile:
    """One built file; `gzipped` is None where compression gains nothing."""

    body: bytes
    gzipped: bytes | None
    media_type: str
    etag: str
    immutable: bool


class ConsoleFiles:
    """The files of one build folder. Thread-safe: what two threads read at once is the same."""

    def __init__(self, folder: Path = DIST) -> None:
        self._folder = folder.resolve()
        self._kept: dict[str, tuple[int, ConsoleFile]] = {}

    @property
    def built(self) -> bool:
        """Whether there is a console to serve."""
        return (self._folder / INDEX).is_file()

    def get(self, name: str) -> ConsoleFile | None:
        """The file of that name below the folder; None where there is none, or the name leads out of it."""
        path = self._inside(name)
        if path is None:
            return None
        name = path.relative_to(self._folder).as_posix()  # one spelling, or each would be kept
        changed = path.stat().st_mtime_ns
        kept = self._kept.get(name)
        if kept is None or kept[0] != changed:
            kept = self._kept[name] = (changed, _read(path, name))
        return kept[1]

    def kept(self, name: str) -> ConsoleFile | None:
        """The file of that name if it was read before and is named by its content; the disk is not asked."""
        kept = self._kept.get(name)
        return kept[1] if kept is not None and kept[1].immutable else None

    def page(self, name: str) -> ConsoleFile | None:
        """As `get`, but a path that is no file is one of the pages that the script in index.html knows."""
        found = self.get(name)
        is_page = name.startswith(OF_COLLECTIONS) or not (PurePosixPath(name).suffix or name.startswith(HASHED))
        if found is None and is_page:
            return self.get(INDEX)
        return found

    def _inside(self, name: str) -> Path | None:
        if "\0" in name or "\\" in name:
            return None
        path = (self._folder / name).resolve()
        return path if path.is_relative_to(self._folder) and path.is_file() else None


def _read(path: Path, name: str) -> ConsoleFile:
    body = path.read_bytes()
    media_type = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    squeezable = len(body) >= MIN_COMPRESSED and media_type.startswith(COMPRESSIBLE)
    gzipped = gzip.compress(body, 9, mtime=0) if squeezable else None
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return ConsoleFile(body, gzipped, media_type + charset, etag, name.startswith(HASHED))
