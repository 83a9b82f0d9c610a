"""The thread that says of every running job of this process that it is alive."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.jobs.attempt import Attempt

BEAT_SECONDS = 5.0  # a sixth of the silence after which a process counts as dead


class Heart:
    """Beats for what is being watched, until `close`."""

    def __init__(self) -> None:
        self._attempts: set[Attempt] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="job-heartbeat", daemon=True)
        self._thread.start()

    @contextmanager
    def watching(self, attempt: Attempt) -> Iterator[None]:
        """Beats for the attempt inside the `with`."""
        with self._lock:
            self._attempts.add(attempt)
        try:
            yield
        finally:
            with self._lock:
                self._attempts.discard(attempt)

    def close(self) -> None:
        """Beat no more."""
        self._closing.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._closing.wait(BEAT_SECONDS):
            with self._lock:
                attempts = list(self._attempts)
            for attempt in attempts:
                attempt.beat()
