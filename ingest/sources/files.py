"""A file or a folder of files as documents; what did not change since the last scan is not read again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from ingest.changes import ChangeBatch, Failure
from ingest.errors import ParseError, SourceError
from ingest.parsers import check_size, parse_file, parser_for
from ingest.sources.manifest import Manifest, Stamp
from ingest.sources.readers import Groups, Readers
from ingest.sources.scan import Clock, next_scan
from retrieval.catalog import AccessChange
from retrieval.types import Document, SourcePosition

BATCH_FILES = 32
BATCH_CHARACTERS = 2_000_000  # of parsed text; a batch ends at whichever comes first


class FileSource:
    """Documents of a folder and its sub-folders, or one file. Keys are `prefix` and the path in the folder, with "/".

    Hidden files and folders and symbolic links that leave the folder are passed over; a file that cannot be read
    is a `Failure` and is tried again next time. Position: (scan number,). A folder is a mirror unless `mirror` is
    False, a single file is none. `acl` names the groups that may read the documents (None: as last time,
    at first the collection's default); a file whose groups are others than last time is read again. A single file's
    say nothing of the other files of its folder, and stay its own until the folder is given some. `ocr`: text in
    pictures is read, too.
    """

    kind = "files"

    def __init__(
        self,
        path: str | Path,
        name: str = "",
        *,
        mirror: bool | None = None,
        acl: Groups = None,
        prefix: str = "",
        ocr: bool = True,
        clock: Clock = time.time,
    ) -> None:
        if not Path(path).exists():  # nor does a link that leads back to itself, which cannot be resolved
            raise SourceError(f"path {path} does not exist; name a file or a folder")
        self._path = Path(path).resolve()
        self._is_folder = self._path.is_dir()
        if mirror and not self._is_folder:
            raise SourceError(f"{path} is one file of its folder, which only the whole folder mirrors; name the folder")
        self.mirror = self._is_folder if mirror is None else mirror
        self._root = self._path if self._is_folder else self._path.parent
        self.name = name or self._root.as_uri()
        self._acl = acl
        self._said: Readers | None = None
        self.prefix = prefix
        self._ocr = ocr
        self._again: frozenset[str] = frozenset()
        self._documents: Callable[[], Collection[str]] | None = None
        self._clock = clock

    def look_again(self, keys: Iterable[str], documents: Callable[[], Collection[str]]) -> None:
        """Read the files of these documents at the next poll, though they did not change: they failed later on.

        `documents` tells the keys of all that the source brought: a folder that cannot be listed keeps its own.
        """
        self._again = frozenset(keys)
        self._documents = documents

    def remember(self, said: Readers | None, cursor: str | None) -> Readers:
        """Who may read the documents, by what earlier runs said (None: as the cursor tells) and what this one says.

        To be kept for the next run before the poll begins, so that nothing of it is lost where the poll ends early.
        """
        self._said = self._readers(self._manifest(cursor).readers if said is None else said)
        return self._said

    def cursor_for(self, readers: Readers, cursor: str | None) -> str | None:
        """The cursor without the files that are to have other readers now: they are read until a poll has ended.

        To be stored with these, or a poll that ends early would leave its readers to files that the cursor knows.
        """
        old = self._manifest(cursor)
        return cursor if old.scan is None else Manifest(old.scan, old.known(readers, self.prefix), old.readers).encode()

    def __len__(self) -> int:
        """How many files a poll would look at now."""
        return sum(1 for _ in self._files([]))

    def poll(self, cursor: str | None) -> Iterator[ChangeBatch]:
        """Batches of new and changed files; the last one carries the cursor with the stamps of all files read.

        Raises `SourceError` when the folder cannot be listed. A sub-folder that cannot is a failure, and its documents
        stay, with the readers that they are to have.
        """
        old = self._manifest(cursor)
        scan = next_scan(old.scan, self._clock)
        readers = self._readers(old.readers) if self._said is None else self._said
        known = {key: stamp for key, stamp in old.known(readers, self.prefix).items() if key not in self._again}
        stamps: dict[str, Stamp] = {}
        batch = _Batch()
        unlisted: list[OSError] = []
        for path in self._files(unlisted):
            failed = len(batch.failures)
            self._visit(path, known, readers, scan, stamps, batch)
            acl = readers.of(self._below(path))
            batch.access += [AccessChange(failure.key, acl) for failure in batch.failures[failed:]]
            if batch.is_full:
                yield batch.frozen()
                batch = _Batch()
        documents = self._documents() if unlisted and self._documents is not None else None
        for error in unlisted:
            self._keep(error, documents, readers, scan, batch)
        if not self._is_folder:  # what is known of the other files of the folder stays
            key, file = self._key(self._path), self._below(self._path)
            stamps = {other: stamp for other, stamp in old.files.items() if other != key} | stamps
            readers = old.readers.but(file, readers.of(file))
        yield batch.frozen(Manifest(scan, stamps, readers).encode(), whole=self._is_folder)

    def _readers(self, said: Readers) -> Readers:
        if self._acl is None:  # who forgets to say it opens nothing
            return said
        return Readers(self._acl) if self._is_folder else said.but(self._below(self._path), self._acl)

    def _manifest(self, cursor: str | None) -> Manifest:
        return Manifest.decode(cursor, self.prefix)

    def _below(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _key(self, path: Path) -> str:
        return self.prefix + self._below(path)

    def _files(self, unlisted: list[OSError]) -> Iterator[Path]:
        """All files; what kept a sub-folder from being listed is added to `unlisted`."""
        if not self._is_folder:
            yield self._path
            return

        def note(error: OSError) -> None:
            if Path(error.filename) == self._root:
                raise SourceError(f"folder {self._root} {_unlisted(error)}; check its permissions") from error
            unlisted.append(error)

        for folder, subfolders, files in os.walk(self._root, onerror=note):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            yield from (Path(folder, name) for name in sorted(files) if not name.startswith((".", "~$")))

    def _visit(
        self,
        path: Path,
        known: Mapping[str, Stamp],
        readers: Readers,
        scan: int,
        stamps: dict[str, Stamp],
        batch: _Batch,
    ) -> None:
        key = self._key(path)
        if (shown := _shown(key)) != key:
            batch.failures.append(_failure(shown, f"the name {shown} is not in UTF-8", "rename it", scan))
            return
        try:
            if not path.resolve().is_relative_to(self._root):
                return
            stamp = Stamp.of(path)
            if known.get(key) == stamp:
                batch.unchanged.append(key)
            else:
                batch.changes.append(self._document(path, key, readers.of(self._below(path)), scan))
            if stamp.settled(scan):
                stamps[key] = stamp
        except ParseError as error:
            batch.failures.append(_failure(key, error.reason, error.remedy, scan))
        except RuntimeError:  # of `resolve`
            batch.failures.append(_failure(key, f"{key} is a link that leads back to itself", "remove it", scan))
        except OSError as error:
            batch.failures.append(
                _failure(key, f"{key} cannot be read: {error.strerror or error}", "check its permissions", scan)
            )

    def _keep(
        self, error: OSError, documents: Collection[str] | None, readers: Readers, scan: int, batch: _Batch
    ) -> None:
        """Let the documents of a folder that cannot be listed stay; `documents`: all there are, None: nobody knows."""
        key = _shown(self._key(Path(error.filename))) + "/"
        failure = _failure(key, f"folder {key} {_unlisted(error)}", "check its permissions", scan)
        if documents is None:  # any document may be in there
            failure = replace(failure, named=False)
        else:
            inside = (document for document in documents if document.startswith(key))
            batch.access += [AccessChange(one, readers.of(one.removeprefix(self.prefix))) for one in sorted(inside)]
        batch.failures.append(failure)

    def _document(self, path: Path, key: str, acl: Groups, scan: int) -> Document:
        parser_for(path.name, ocr=self._ocr)
        status = path.stat()
        check_size(status.st_size, path.name)
        parsed = parse_file(path.read_bytes(), path.name, ocr=self._ocr)
        return Document(
            key=key,
            text=parsed.text,
            title=parsed.title,
            source=self.name,
            uri=path.as_uri(),
            language=parsed.language,
            metadata={"file_name": path.name, **parsed.metadata},
            acl=acl,
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
    access: list[AccessChange] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        characters = sum(len(change.text) for change in self.changes)
        return len(self.changes) >= BATCH_FILES or characters >= BATCH_CHARACTERS

    def frozen(self, cursor: str | None = None, *, whole: bool = False) -> ChangeBatch:
        return ChangeBatch(
            tuple(self.changes),
            tuple(self.failures),
            cursor=cursor,
            unchanged=tuple(self.unchanged),
            whole=whole,
            access=tuple(self.access),
        )


def _shown(name: str) -> str:
    r"""The name with the bytes of it that are no UTF-8 written as in `caf\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _failure(key: str, reason: str, remedy: str, scan: int) -> Failure:
    return Failure(key, reason, remedy, position=SourcePosition((scan,)))


def _unlisted(error: OSError) -> str:
    return f"cannot be listed: {error.strerror}"
