"""Waiting for what another thread or process does."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 60.0  # others use the machine too
PAUSE_SECONDS = 0.05
OPEN = ("queued", "running")  # states of a job that goes on


def eventually(
    look: Callable[[], T], is_so: Callable[[T], bool] = bool, *, seconds: float = PATIENCE_SECONDS, what: str = ""
) -> T:
    """What `look` sees once `is_so`; fails with `what` was waited for and what was seen last."""
    deadline = time.monotonic() + seconds
    while not is_so(seen := look()):
        assert time.monotonic() < deadline, f"{what or 'waited'}: after {seconds:g} s still {seen!r:.2000}"
        time.sleep(PAUSE_SECONDS)
    return seen


def job_ended(look: Callable[[], dict[str, Any]], *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
    """What REST tells of a job once it has ended; in which state is the caller's to look at."""
    return eventually(look, lambda job: job["state"] not in OPEN, seconds=seconds, what="the job's end")


def listens_on(port: int) -> bool:
    """Whether a server takes connections there, on loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True
