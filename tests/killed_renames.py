"""Ends a process as a kill does, at one of its renames of files or folders; no line after it is run."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def kill_at(renames: int, last: Path | None = None) -> None:
    """From now on this process is killed before the rename that comes after so many; once `last` was moved, at once."""
    whole, left = os.replace, renames

    def replace(source: str | Path, goal: str | Path) -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        whole(source, goal)
        if left == 0 and last is not None and Path(source) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace  # type: ignore[assignment]
