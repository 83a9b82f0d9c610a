"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 60.0  # others use the machine too
PAUSE_SECONDS = 0.05


def eventually(
    look: Callable[[], T], is_so: Callable[[T], bool] = bool, *, seconds: float = PATIENCE_SECONDS, what: str = ""
) -> T:
    """What `look` sees once `is_so`; fails with `what` was waited for and what was seen last."""
    deadline = time.monotonic() + seconds
    while not is_so(seen := look()):
        assert time.monotonic() < deadline, f"{what or 'waited'}: after {seconds:g} s still {seen!r:.2000}"
        time.sleep(PAUSE_SECONDS)
    return seen
