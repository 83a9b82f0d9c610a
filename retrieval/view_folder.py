"""What the views share on disk: one writer for a folder, and files that are replaced whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from retrieval.errors import ViewError, ViewLockedError

LOCK_NAME = "writer.lock"
MANIFEST_NAME = "manifest.json"


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


def write_manifest(folder: Path, manifest: dict[str, Any], *, durable: bool = True) -> None:
    """Replace the folder's manifest."""
    replace_file(folder / MANIFEST_NAME, json.dumps(manifest, indent=1).encode(), durable=durable)


def read_manifest(folder: Path, expected: dict[str, Any]) -> dict[str, Any] | None:
    """The folder's manifest, or None where there is none yet.

    Raises `ViewError` when it cannot be read or disagrees with `expected` (format, analyzer, dimension).
    """
    path = folder / MANIFEST_NAME
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ViewError(f"{path} is not readable JSON ({error}); delete {folder} and the view is rebuilt") from error
    for name, value in expected.items():
        if manifest.get(name) != value:
            raise ViewError(
                f"view in {folder} was built with {name} = {manifest.get(name)!r}, expected {value!r}; "
                "delete the folder and the view is rebuilt from the catalog"
            )
    return manifest
