"""How fetching and starting is shown on standard error: in place on a terminal, line by line elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from api.commands.shared import err

if TYPE_CHECKING:
    from infra.stack.progress import Progress

MEGABYTE = 10**6


class Lines:
    """Plain lines on standard error, one a step."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def step(self, name: str, text: str) -> None:
        """A line."""
        err.print(f"{time.monotonic() - self._began:6.1f} s  {name}: {text}", markup=False)

    def fetched(self, name: str, size: int) -> None:
        """A pipe hears of the end only."""


class Live:
    """A line for each server on a terminal, changing in place; sizes grow."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def step(self, name: str, text: str) -> None:
        """What stands in the name's line now."""
        self._say(name, text)

    def fetched(self, name: str, size: int) -> None:
        """The size, while it grows."""
        self._say(name, f"fetching, {size / MEGABYTE:.0f} MB so far")

    def _say(self, name: str, text: str) -> None:
        with self._lock:
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name)
            self._bars.update(self._tasks[name], description=f"{name}: {text}")


@contextmanager
def told() -> Iterator[Progress]:
    """How long work of servers and fetches is shown: in place on a terminal, else a line each."""
    if not err.is_terminal:
        yield Lines()
        return
    with Bars(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), console=err
    ) as bars:
        yield Live(bars)
