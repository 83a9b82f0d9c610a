"""What the programs have in common that send searches when these are due, until their standard input ends."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any


async def due_ones(
    rate: float, ended: threading.Event, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[tuple[int, float]]:
    """Number and moment of each search, `rate` a second, when it is due; until `ended`."""
    began = clock()
    for number in count():
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - clock()))
        if ended.is_set():
            return
        yield number, due


def plan_from_stdin() -> tuple[dict[str, Any], threading.Event]:
    """The plan, which is the first line, and what is set once the input has ended."""
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return plan, ended
