"""The dense view: nearest vectors, exactly while they are few, through a graph plus an exact tail when they are many.

Vectors are appended to a file and scored exactly from there until the graph takes them in. So a write is visible at
once, a filter that leaves few chunks is answered exactly, and the graph may lag, be rebuilt and be swapped.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pyroaring import BitMap64

from infra.wording import counted
from retrieval.contracts import Allowed, Scope
from retrieval.dense.compaction import Compaction
from retrieval.dense.snapshot import DenseSnapshots, open_read_only
from retrieval.dense.state import DenseState
from retrieval.dense.vector_graph import EF_SEARCH, Slots, VectorGraph
from retrieval.errors import OutageError
from retrieval.types import IndexedChunk, Labels, Ranking, Vector, Vectors, ViewBatch
from retrieval.views.folder import Reached
from retrieval.views.vectors import checked_vector

logger = logging.getLogger(__name__)

FLAT_LIMIT = 4096  # vectors up to which no graph is built: scoring all takes 0.2 ms (bench_views.py)
TAIL_LIMIT = 256  # vectors that may wait outside the graph: 0.05 ms a search
MIN_CATCH_UP = 32  # vectors a write moves from a too long tail into the graph, 10 ms
CATCH_UP_FACTOR = 4  # and this many for each chunk it adds, so that the tail shrinks while a collection is filled
EXACT_PER_FETCH = 10  # scoring one row exactly costs a tenth of fetching one more from the graph (bench_views.py)
OVERFETCH_MARGIN = 1.3  # fetch this much more than an even spread of the allowed labels would need
DEAD_SHARE = 0.25  # of slots, above which vectors and graph are rewritten without them
MIN_DEAD = 256  # dead slots below which rewriting is not worth it


class DenseView:
    """An `IndexView` over unit vectors. The query is a (dim,) vector; the score is the cosine.

    With a folder, this object is its only writer (else `ViewLockedError`); `read_only` loads the last snapshot, which
    further batches may be applied to in memory. Raises `ViewError` when the folder does not fit.
    """

    def __init__(self, folder: Path | None, dim: int, *, read_only: bool = False) -> None:
        self._dim = dim
        self._snapshots = None if folder is None or read_only else DenseSnapshots(folder, dim)
        if folder is not None and read_only:
            self.reached, self._state = open_read_only(folder, dim)
        elif self._snapshots is not None:
            self.reached, self._state = self._snapshots.load()
        else:
            self.reached, self._state = Reached(), DenseState.empty(dim)
        self._compaction: Compaction | None = None

    @property
    def seq(self) -> int:
        """The last operation applied."""
        return self.reached.seq

    def __len__(self) -> int:
        return len(self._state.live)

    def labels(self) -> BitMap64:
        """All labels held: those whose chunk came with a vector."""
        return self._state.live.copy()

    def apply(self, batch: ViewBatch) -> None:
        """Bring the view to `batch.seq`; visible as a whole. Labels held already keep their vector.

        Raises `InvalidInputError` when a vector has another dimension and `OutageError` when the disk is full; nothing
        has changed then.
        """
        removed = self._state.slots_of(BitMap64(batch.removed))
        self._publish(removed, self._new_chunks(batch, removed))
        self._catch_up(len(batch.added))
        self._compact(MIN_DEAD, DEAD_SHARE)
        self.reached = self.reached.after(batch)

    def search(self, query: Vector, k: int, allowed: Allowed = None, scope: Scope | None = None) -> Ranking:
        """The best k allowed chunks by cosine. Raises `InvalidInputError` when the query has another dimension."""
        query = checked_vector(query, self._dim)
        state = self._state
        count = len(state.live) if allowed is None else allowed.intersection_cardinality(state.live)
        k = min(k, count)
        if k <= 0:
            return Ranking.empty()
        if state.graph is not None:
            fetch = max(EF_SEARCH, int(k * len(state.live) / count * OVERFETCH_MARGIN))
            if count > FLAT_LIMIT and count > fetch * EXACT_PER_FETCH:
                ranking = _search_graph(state, query, k, fetch, allowed)
                if ranking is not None:
                    return ranking
        return _search_exactly(state, query, k, allowed)

    def vectors(self, labels: Labels, *, anew: bool = False) -> Vectors:
        """(n, dim) the vectors of these chunks, zeros where one is not held; `anew` changes nothing."""
        return self._state.rows_of(labels)

    def differing(self, chunks: Sequence[IndexedChunk]) -> BitMap64:
        """None: of a chunk only its vector is held."""
        return BitMap64()

    def embedded(self) -> BitMap64:
        """Labels whose vector a batch need not bring again."""
        return self.labels()

    def save(self) -> None:
        """Write a snapshot; the next start replays only what came later."""
        self._adopt(wait=False)
        if self._snapshots is not None:
            self._snapshots.save(self.reached, self._state)

    def compact(self) -> None:
        """Begin a rewrite without dead slots, however few there are; called by the applying thread."""
        self._compact(0, 0.0)

    @property
    def is_compacting(self) -> bool:
        """Whether a rewrite is under way that `wait_compacted` would wait for."""
        compaction = self._compaction
        return compaction is not None and not compaction.is_done()

    def wait_compacted(self) -> None:
        """Wait for the rewrite that is under way, if any, and take it over; called by the applying thread."""
        self._adopt(wait=True)

    def close(self) -> None:
        """Release files and threads, without saving."""
        if self._compaction is not None:
            self._compaction.cancel()
            self._compaction = None
        if self._snapshots is not None:
            self._snapshots.close()
        self._state.vectors.close()

    def _new_chunks(self, batch: ViewBatch, removed: Slots) -> dict[int, Vector]:
        """Label -> vector of the chunks that are to be appended."""
        held = self._state.live - BitMap64(self._state.labels[removed].tolist())
        return {
            chunk.label: checked_vector(chunk.vector, self._dim)
            for chunk in batch.added
            if chunk.vector is not None and chunk.label not in held
        }

    def _publish(self, removed: Slots, added: dict[int, Vector]) -> None:
        """Steps in order: append the vectors, show the new state, then take dead nodes out of the graph."""
        if not len(removed) and not added:
            return
        state = self._state
        if added:
            try:
                state.vectors.append(np.stack(list(added.values())))
            except OSError as error:
                raise OutageError(
                    f"{counted(len(added), 'vector')} could not be written ({error}); free the disk, then retry"
                ) from error
        self._state = state.changed(removed, list(added))
        if state.graph is not None:
            state.graph.remove(removed[removed < state.indexed])

    def _catch_up(self, changes: int) -> None:
        """Move the older part of a long tail into the graph: a bounded piece, so that no write waits long for it."""
        state = self._state
        excess = state.count - state.indexed - TAIL_LIMIT
        if state.count <= FLAT_LIMIT or excess <= 0:
            return
        graph = state.graph or VectorGraph(self._dim, capacity=2 * FLAT_LIMIT)
        indexed = state.indexed + min(excess, max(MIN_CATCH_UP, CATCH_UP_FACTOR * changes))
        slots = np.flatnonzero(state.alive[state.indexed : indexed]) + state.indexed
        for start in range(0, len(slots), TAIL_LIMIT):
            part = slots[start : start + TAIL_LIMIT]
            graph.add(part, state.vectors.take(part))
        self._state = state.with_graph(graph, indexed)

    def _compact(self, least: int, share: float) -> None:
        self._adopt(wait=False)
        state = self._state
        if self._compaction is None and state.dead > max(least, state.count * share):
            path = self._snapshots.new_vectors_path() if self._snapshots is not None else None
            try:
                self._compaction = Compaction(state, path, has_graph=len(state.live) > FLAT_LIMIT)
            except OSError as error:  # the batch is applied: what can wait must not stop the view
                logger.warning("no room to rewrite the vectors in (%s); it is tried again after the next write", error)

    def _adopt(self, *, wait: bool) -> None:
        if self._compaction is None or not (wait or self._compaction.is_done()):
            return
        compaction, self._compaction = self._compaction, None
        adopted = compaction.adopt(self._state)
        if adopted is not None:
            former, self._state = self._state, adopted
            former.vectors.close()


def _search_exactly(state: DenseState, query: Vector, k: int, allowed: Allowed) -> Ranking:
    if allowed is None:
        return state.rank(*state.score_all(query), k)
    slots = state.slots_of(allowed)
    return state.rank(slots, state.vectors.scores_at(query, slots), k)


def _search_graph(state: DenseState, query: Vector, k: int, fetch: int, allowed: Allowed) -> Ranking | None:
    """The best k of the graph's `fetch` best and the tail; None when others might be better."""
    slots, scores = state.score_graph(query, fetch)
    worst = scores[-1] if len(scores) else np.float32(np.inf)
    tail_slots, tail_scores = state.score_all(query, state.indexed)
    slots, scores = np.concatenate((slots, tail_slots)), np.concatenate((scores, tail_scores))
    if allowed is not None:
        labels = state.labels[slots]
        kept = np.isin(labels, np.array(BitMap64(labels.tolist()) & allowed, np.int64), kind="sort")
        slots, scores = slots[kept], scores[kept]
    ranking = state.rank(slots, scores, k)
    return ranking if len(ranking) == k and ranking.scores[-1] >= worst else None
