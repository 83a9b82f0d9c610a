"""Waits for a test run's process to end, however it ends, then stops its servers: `stack_watcher.py PID FOLDER`."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from infra.stack.processes import alive, identify
from infra.stack.stack import Stack

POLL_SECONDS = 0.5


def main(run: int, folder: Path) -> None:
    process = identify(run)
    while process is not None and alive(process):
        time.sleep(POLL_SECONDS)
    remove(folder)


def remove(folder: Path) -> None:
    """Stop what runs of a stack and remove its folder, also where nothing could be started in it."""
    if (folder / "stack.json").exists():
        Stack(folder).purge()
    else:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
