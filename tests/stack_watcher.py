"""Waits for a test run's process to end, however it ends, then stops its servers: `stack_watcher.py PID FOLDER`."""

from __future__ import annotations

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
    Stack(folder).purge()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
