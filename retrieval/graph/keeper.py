"""Opens the graph view of a collection before a plan needs it, and has it follow the log from then on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from retrieval.errors import RetrievalError
from retrieval.graph.state import GraphState
from retrieval.graph.view import GraphView
from retrieval.views.follower import Follower

logger = logging.getLogger(__name__)

NAME = "graph"  # of the view, in what a search says of its legs
RETRY_SECONDS = 5.0  # before a view that could not be opened is tried again


class GraphKeeper:
    """The graph's present state, for whoever searches. Thread-safe.

    Opening takes milliseconds from a snapshot, about a second for each 1,000 chunks without one.
    """

    def __init__(self, open_view: Callable[[], GraphView], follower: Follower) -> None:
        self._open_view = open_view
        self._follower = follower
        self._view: GraphView | None = None
        self._opening = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._failed = False
        self._due = 0.0

    def __call__(self) -> GraphState | None:
        """What to search by; None while it is being opened, or cannot be.

        Plans that serve wait for their graph before they serve. The first search by a plan that came with its request
        opens it and waits; where it could not be opened, it is tried again beside the searches.
        """
        if self._view is None:
            if self._failed:
                self.begin()
            else:
                self._open()
        view = self._view
        return None if view is None else view.state

    @property
    def is_settled(self) -> bool:
        """Whether a plan need not wait for it: it is open, or could not be opened."""
        return self._view is not None or self._failed

    def prepare(self) -> None:
        """Open it, unless it is or cannot be; returns when that is decided."""
        if self._view is None:
            self._open(wait=True)

    def begin(self) -> None:
        """Open it in the background; returns at once."""
        if self._view is not None or self._closed or time.monotonic() < self._due:
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._open, name="graph", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Open it no more; returns once what is being opened is, by a search too: the follower closes it."""
        self._closed = True
        if self._thread is not None:
            self._thread.join()
        with self._opening:
            pass

    def _open(self, *, wait: bool = False) -> None:
        if self._closed or time.monotonic() < self._due or not self._opening.acquire(blocking=wait):
            return
        try:
            if self._view is None and not self._closed:
                self._view = self._opened()
                self._failed = False
        except Exception as error:  # whatever it is, such as a disk that cannot be read, searches go on
            self._failed, self._due = True, time.monotonic() + RETRY_SECONDS
            is_foreseen = isinstance(error, (RetrievalError, OSError))
            logger.warning(
                "searches go on without the graph: %s; tried again in %g s",
                error,
                RETRY_SECONDS,
                exc_info=not is_foreseen,
            )
        finally:
            self._opening.release()

    def _opened(self) -> GraphView:
        view = self._open_view()
        try:
            self._follower.add(NAME, view)
        except BaseException:
            view.close()
            raise
        return view
