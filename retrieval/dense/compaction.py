"""Rewriting the dense view without its dead slots, in the background, while it is searched and written to."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np

from retrieval.dense.state import DenseState
from retrieval.dense.vector_file import VectorFile
from retrieval.dense.vector_graph import Slots, VectorGraph
from retrieval.types import Labels

logger = logging.getLogger(__name__)

COPIED_ROWS = 512  # between two looks at whether to give up


class Compaction:
    """Copies the live slots of a state to a new file and graph; rows never change, so no lock is needed for it.

    The applying thread starts it, and adopts the result with whatever happened meanwhile.
    """

    def __init__(self, state: DenseState, path: Path | None, *, has_graph: bool) -> None:
        self._source = state.vectors
        self._counted = state.count
        live = np.flatnonzero(state.alive)
        self._kept: Slots = live[np.argsort(state.labels[live], kind="stable")]
        self._vectors = VectorFile(path, state.vectors.dim)
        self._graph = VectorGraph(state.vectors.dim, capacity=len(live) + COPIED_ROWS) if has_graph else None
        self._cancelled = threading.Event()
        self._is_complete = False
        self._thread = threading.Thread(target=self._run, name="dense-compaction", daemon=True)
        self._thread.start()

    def is_done(self) -> bool:
        """Whether `adopt` would not have to wait."""
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Give up; the new file is deleted by the next save."""
        self._cancelled.set()
        self._thread.join()
        self._vectors.close()

    def adopt(self, state: DenseState) -> DenseState | None:
        """The present state on the new file and graph; None when the rewrite failed, which is logged."""
        self._thread.join()
        if not self._is_complete:
            self._discard()
            return None
        died = np.flatnonzero(~state.alive[self._kept])
        if self._graph is not None:
            self._graph.remove(died)
        newer = np.flatnonzero(state.alive[self._counted :]) + self._counted
        try:
            for start in range(0, len(newer), COPIED_ROWS):
                self._vectors.append(state.vectors.take(newer[start : start + COPIED_ROWS]))
        except OSError:
            self._log_failure()
            self._discard()
            return None
        slots = np.concatenate((self._kept, newer))
        indexed = 0 if self._graph is None else len(self._kept)
        labels: Labels = state.labels[slots]
        return DenseState(self._vectors, labels, state.alive[slots], state.live, self._graph, indexed)

    def _run(self) -> None:
        try:
            for start in range(0, len(self._kept), COPIED_ROWS):
                if self._cancelled.is_set():
                    return
                self._copy(start)
            self._is_complete = True
        except Exception:  # full disk, no memory: the view goes on as it is, with its dead slots
            self._log_failure()

    def _log_failure(self) -> None:
        logger.exception("rewriting %s failed; it is tried again after the next write", self._source.path)

    def _discard(self) -> None:
        """Let go of the new file; a full disk needs its room."""
        self._vectors.close()
        if self._vectors.path is not None:
            self._vectors.path.unlink(missing_ok=True)

    def _copy(self, start: int) -> None:
        rows = self._source.take(self._kept[start : start + COPIED_ROWS])
        self._vectors.append(rows)
        if self._graph is not None:
            self._graph.add(np.arange(start, start + len(rows)), rows)
