"""Positions for sources that are read from the beginning each time: later scans are newer, whatever the clock says."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]  # seconds since the epoch


def next_scan(previous: int | None, clock: Clock = time.time) -> int:
    """Milliseconds since the epoch, or one more than the previous scan where the clock went back.

    A scan number taken from the clock stays newer even when the cursor that held the previous one was lost.
    """
    now = int(clock() * 1000)
    return now if previous is None else max(now, previous + 1)
