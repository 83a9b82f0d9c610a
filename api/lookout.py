"""A thread that looks at something again and again, and outlives whatever it finds there."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

from retrieval.errors import RetrievalError


class Lookout(ABC):
    """Calls `look` every so many seconds between `start` and `stop`, in a thread of that name.

    `failing` is what the log says of a look that fails, such as "freshness is not measured".
    """

    def __init__(self, name: str, seconds: float, failing: str) -> None:
        self._name = name
        self._seconds = seconds
        self._failing = failing
        self._logger = logging.getLogger(type(self).__module__)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def look(self) -> None:
        """Look once. May raise `RetrievalError`, such as where the catalog cannot be read."""

    def start(self) -> None:
        """Begin to look."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; returns once the look under way is done."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self._try_look()

    def _try_look(self) -> None:
        try:
            self.look()
        except RetrievalError as error:
            self._logger.warning("%s: %s; tried again in %g s", self._failing, error, self._seconds)
        except Exception:  # what is looked at must never end the looking
            self._logger.exception("%s; tried again in %g s", self._failing, self._seconds)
