"""One process at a time works on an experiment: a lock in its run folder, which a killed process leaves free."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from search_core.errors import RunningError, not_written

FILE = "run.lock"
LOOK_SECONDS = 0.2  # waited for the lock: who looks whether it is free holds it for less


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Held while the block runs. Raises `RunningError` where another run holds it, in this process or in another.

    Raises `ArtifactError` where the folder cannot be written.
    """
    lock = FileLock(folder / FILE, timeout=LOOK_SECONDS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise RunningError(
            f"experiment {folder.name!r} is running now; wait for its end, or end it, and resume it then"
        ) from None
    except OSError as error:
        raise not_written(f"run folder {folder}", error) from error
    try:
        yield
    finally:
        lock.release()


def is_running(folder: Path) -> bool:
    """Whether a process works on the experiment of this folder. One that cannot be looked at counts as running."""
    if not (folder / FILE).exists():
        return False
    lock = FileLock(folder / FILE, timeout=0)
    try:
        lock.acquire()
    except (Timeout, OSError):
        return True
    lock.release()
    return False
