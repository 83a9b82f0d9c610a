"""Opens the graph view of a collection when a search first needs it, and has it follow the log from then on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from retrieval.errors import RetrievalError
from retrieval.graph.state import GraphState
from retrieval.graph.view import GraphView
from retrieval.views import Follower

logger = logging.getLogger(__name__)

NAME = "graph"  # of the view, in what a search says of its legs
RETRY_SECONDS = 5.0  # before a view that could not be opened is tried again


class GraphKeeper:
    """The graph's present state, for whoever searches. Thread-safe."""

    def __init__(self, open_view: Callable[[], GraphView], follower: Follower) -> None:
        self._open_view = open_view
        self._follower = follower
        self._view: GraphView | None = None
        self._opening = threading.Lock()
        self._due = 0.0

    def __call__(self) -> GraphState | None:
        """What to search by; None while it is being opened by another caller, or cannot be.

        The first caller opens it and waits: milliseconds from a snapshot, about a second for each 1,000 chunks without.
        """
        view = self._view
        if view is None:
            view = self._opened()
        return None if view is None else view.state

    def _opened(self) -> GraphView | None:
        if time.monotonic() < self._due or not self._opening.acquire(blocking=False):
            return None
        try:
            if self._view is None:
                view = self._open_view()
                try:
                    self._follower.add(NAME, view)
                except BaseException:
                    view.close()
                    raise
                self._view = view
            return self._view
        except RetrievalError as error:
            self._due = time.monotonic() + RETRY_SECONDS
            logger.warning("searches go on without the graph: %s; tried again in %g s", error, RETRY_SECONDS)
            return None
        finally:
            self._opening.release()
