"""What a dense search looks at: a frozen state, replaced by each batch, so that no search sees half of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from retrieval.dense.vector_file import VectorFile
from retrieval.dense.vector_graph import Scores, Slots, VectorGraph
from retrieval.types import Labels, Ranking, Vector, Vectors

SCORE_DECIMALS = 6  # inner products differ in the last bit with the path taken; rounded, equal passages tie


@dataclass(slots=True)
class DenseState:
    """Slots 0 to `count` of the vector file. Those below `indexed` are in the graph unless they died before.

    `labels` and `alive` have one entry a slot. Everything is frozen but `_order`, a cache.
    """

    vectors: VectorFile
    labels: Labels
    alive: NDArray[np.bool_]
    live: BitMap64  # the labels that can be found
    graph: VectorGraph | None = None
    indexed: int = 0
    _order: Slots | None = None

    @classmethod
    def empty(cls, dim: int) -> DenseState:
        """No vectors, in an unnamed file."""
        return cls(VectorFile(None, dim), np.empty(0, np.int64), np.empty(0, np.bool_), BitMap64())

    def changed(self, removed: Slots, added: Sequence[int]) -> DenseState:
        """The state without the removed slots, and with these labels in the next ones."""
        alive = np.concatenate((self.alive, np.ones(len(added), np.bool_)))
        alive[removed] = False
        live = self.live - BitMap64(self.labels[removed].tolist()) | BitMap64(added)
        labels = np.concatenate((self.labels, np.array(added, np.int64)))
        return DenseState(self.vectors, labels, alive, live, self.graph, self.indexed)

    def with_graph(self, graph: VectorGraph, indexed: int) -> DenseState:
        """The state with the live slots below `indexed` in the graph."""
        return DenseState(self.vectors, self.labels, self.alive, self.live, graph, indexed, self._order)

    @property
    def count(self) -> int:
        """Slots in use, dead ones included."""
        return len(self.labels)

    @property
    def dead(self) -> int:
        """Slots whose label was removed."""
        return self.count - len(self.live)

    def slots_of(self, labels: BitMap64) -> Slots:
        """The slots of those of the labels that can be found."""
        held = labels & self.live
        if not held:
            return np.empty(0, np.int64)
        wanted = np.frombuffer(held.to_array(), np.uint64).astype(np.int64)
        return np.sort(self._last_slots(wanted))

    def rows_of(self, labels: Labels) -> Vectors:
        """(n, dim) the vectors of these labels, zeros where a label cannot be found."""
        if not self.count:
            return np.zeros((len(labels), self.vectors.dim), np.float32)
        slots = self._last_slots(labels)
        rows = self.vectors.take(slots)
        rows[(self.labels[slots] != labels) | ~self.alive[slots]] = 0.0
        return rows

    def _last_slots(self, labels: Labels) -> Slots:
        """(n,) the last slot of each label, for one that was added again has several; any slot for an unknown one."""
        if self._order is None:
            self._order = np.argsort(self.labels, kind="stable")
        places = np.searchsorted(self.labels, labels, side="right", sorter=self._order) - 1
        slots: Slots = self._order[places]
        return slots

    def score_all(self, query: Vector, start: int = 0) -> tuple[Slots, Scores]:
        """Every live slot from `start` on, with its score."""
        slots = np.flatnonzero(self.alive[start:]) + start
        scores = self.vectors.scores(query, start, self.count)
        return slots, scores if len(slots) == len(scores) else scores[slots - start]

    def score_graph(self, query: Vector, fetch: int) -> tuple[Slots, Scores]:
        """About the `fetch` best live slots of the graph."""
        assert self.graph is not None
        slots, scores = self.graph.nearest(query, fetch)
        known = slots < self.indexed  # the graph may be ahead of this state
        slots, scores = slots[known], np.round(scores[known], SCORE_DECIMALS)
        living = self.alive[slots]
        return slots[living], scores[living]

    def rank(self, slots: Slots, scores: Scores, k: int) -> Ranking:
        """The best k of the scored slots."""
        return ranked(self.labels[slots], scores, k)


def ranked(labels: Labels, scores: Scores, k: int) -> Ranking:
    """The best k of these cosines, ties by rising label."""
    scores = np.round(scores, SCORE_DECIMALS)
    if len(scores) > k:
        edge = np.partition(scores, len(scores) - k)[len(scores) - k]
        best = scores >= edge  # with all ties of the last place
        labels, scores = labels[best], scores[best]
    order = np.lexsort((labels, -scores))[:k]
    return Ranking(labels[order], scores[order])
