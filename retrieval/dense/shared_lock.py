"""A lock that many readers share and one writer has alone; a waiting writer goes first, so that it never starves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """Readers enter with `reading()`, the writer with `writing()`. Neither is reentrant."""

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._readers = 0
        self._writers = 0  # waiting or inside
        self._is_written = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Share the lock with other readers."""
        with self._condition:
            while self._writers:
                self._condition.wait()
            self._readers += 1
        try:
            yield
        finally:
            with self._condition:
                self._readers -= 1
                if not self._readers:
                    self._condition.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Have the lock alone."""
        with self._condition:
            self._writers += 1
            while self._readers or self._is_written:
                self._condition.wait()
            self._is_written = True
        try:
            yield
        finally:
            with self._condition:
                self._writers -= 1
                self._is_written = False
                self._condition.notify_all()
