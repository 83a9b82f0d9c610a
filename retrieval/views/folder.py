"""What the views share on disk: one writer for a folder, and files that are replaced whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from retrieval.errors import ViewError, ViewLockedError
from retrieval.types import ViewBatch

LOCK_NAME = "writer.lock"
MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class Reached:
    """The last operation that a view applied, and its mark: a catalog from a backup has others of the same number.

    The mark is "" where a former version wrote the manifest.
    """

    seq: int = 0
    mark: str = ""

    @classmethod
    def read(cls, manifest: Mapping[str, Any]) -> Reached:
        """What a manifest says."""
        return cls(int(manifest["seq"]), str(manifest.get("mark", "")))

    def after(self, batch: ViewBatch) -> Reached:
        """The same once the batch is applied; a part of a rebuild, or an older batch, brings a view no further."""
        is_news = batch.seq > self.seq or (batch.seq == self.seq and bool(batch.mark))
        return Reached(batch.seq, batch.mark) if is_news else self

    def written(self) -> dict[str, Any]:
        """Its entries in a manifest."""
        return {"seq": self.seq, "mark": self.mark}


def lock_folder(folder: Path) -> FileLock:
    """The held lock of a view folder, which is made if absent; release it in `close`.

    Raises `ViewLockedError` when another process, or another view of this one, maintains the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_NAME, thread_local=False)  # views are closed by another thread than opened them
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ViewLockedError(
            f"view folder {folder} is maintained by another process; stop it, or open the view with read_only=True"
        ) from None
    return lock


def replace_file(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write the file so that a reader, or a start after a crash, finds the old content or the new, never a part."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())
    temporary.replace(path)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete_views(folder: Path) -> None:
    """Delete a folder of views; killed on the way, it leaves none that could be taken for a whole one."""
    for manifest in folder.rglob(MANIFEST_NAME):
        manifest.unlink()
        sync_folder(manifest.parent)
    shutil.rmtree(folder)


def write_manifest(folder: Path, manifest: dict[str, Any], *, durable: bool = True) -> None:
    """Replace the folder's manifest."""
    replace_file(folder / MANIFEST_NAME, json.dumps(manifest, indent=1).encode(), durable=durable)


def read_manifest(folder: Path, expected: dict[str, Any]) -> dict[str, Any] | None:
    """The folder's manifest, or None where there is none yet.

    Raises `ViewError` when it is no JSON object or disagrees with `expected` (format, analyzer, dimension).
    """
    path = folder / MANIFEST_NAME
    try:
        manifest: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ViewError(f"{path} is not readable JSON ({error}); delete {folder} and the view is rebuilt") from error
    if not isinstance(manifest, dict):
        raise ViewError(f"{path} holds no JSON object; delete {folder} and the view is rebuilt")
    for name, value in expected.items():
        if manifest.get(name) != value:
            raise ViewError(
                f"view in {folder} was built with {name} = {manifest.get(name)!r}, expected {value!r}; "
                "delete the folder and the view is rebuilt from the catalog"
            )
    return manifest
