"""A disk of a test's own, in memory, that the test fills, frees and makes read-only."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

BLOCK = 1 << 20  # bytes written at once


@contextlib.contextmanager
def mounted(folder: Path, size: str, **options: str) -> Iterator[Path]:
    """The folder, made and mounted with a file system of that size; the test skips where that is not allowed."""
    folder.mkdir()
    given = ",".join(f"{name}={value}" for name, value in {"size": size, **options}.items())
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", given, "kb-test", str(folder)], capture_output=True)
    if made.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(disk: Path, options: str) -> None:
    """Change the size of a mounted disk, or make it `ro` (while nobody has files open for writing) or `rw` again."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True, capture_output=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Write a file that leaves so many bytes free; deleting it frees the disk."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while (room := room_of(disk) - leave) > 0:
            file.write(b"x" * min(room, BLOCK))
    return filler


def room_of(disk: Path) -> int:
    """Bytes that are free."""
    known = os.statvfs(disk)
    return known.f_bavail * known.f_frsize


def fill_more(filler: Path) -> None:
    """Take what is left."""
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while (room := room_of(filler.parent)) > 0:
            file.write(b"x" * min(room, BLOCK))
