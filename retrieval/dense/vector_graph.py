"""A nearest-neighbour graph (HNSW) that may be searched while it is written to.

hnswlib alone is not safe for that: adding, marking deleted and growing race with searches, and asking for more
neighbours than can be reached raises. Here searches share a lock that writes take for one short slice at a time.
HNSW: Malkov and Yashunin 2016, https://arxiv.org/abs/1603.09320.
"""

from __future__ import annotations

from pathlib import Path

import hnswlib
import numpy as np
from numpy.typing import NDArray

from retrieval.dense.shared_lock import SharedLock
from retrieval.errors import OutageError
from retrieval.types import Vector, Vectors

M = 16  # links a node; 128 bytes each node on the ground layer
EF_CONSTRUCTION = 100  # candidates while inserting; 200 doubles the time for +0.001 recall (bench_views.py)
EF_SEARCH = 100  # least candidates while searching; hnswlib takes k where that is more
SLICE = 16  # vectors added under one hold of the lock: searches wait at most about 5 ms
GROWTH = 1.25
SEED = 100  # of the level generator: the same vectors give the same graph

Slots = NDArray[np.int64]
Scores = NDArray[np.float32]


class VectorGraph:
    """Inner-product neighbours among rows known by their slot. One thread writes; any number search meanwhile."""

    def __init__(self, dim: int, *, capacity: int = 1024, path: Path | None = None, deleted: int = 0) -> None:
        self._lock = SharedLock()
        self._index = hnswlib.Index("ip", dim)
        if path is None:
            self._index.init_index(capacity, M=M, ef_construction=EF_CONSTRUCTION, random_seed=SEED)
        else:
            self._index.load_index(str(path))
        self._index.set_ef(EF_SEARCH)
        self.deleted = deleted

    def __len__(self) -> int:
        """How many rows can be found."""
        return int(self._index.get_current_count()) - self.deleted

    def add(self, slots: Slots, vectors: Vectors, *, threads: int = 1) -> None:
        """Put rows in; they are found as the slices are done."""
        self._reserve(len(slots))
        for start in range(0, len(slots), SLICE):
            end = start + SLICE
            with self._lock.writing():
                self._index.add_items(vectors[start:end], slots[start:end], num_threads=threads)

    def remove(self, slots: Slots) -> None:
        """Take rows out that are in; their nodes stay as stepping stones."""
        with self._lock.writing():
            for slot in slots.tolist():
                self._index.mark_deleted(slot)
            self.deleted += len(slots)

    def nearest(self, query: Vector, k: int) -> tuple[Slots, Scores]:
        """Up to k rows by falling inner product; fewer where fewer can be reached."""
        with self._lock.reading():
            k = min(k, len(self))
            while k > 0:
                try:
                    slots, distances = self._index.knn_query(query, k=k, num_threads=1)
                except RuntimeError:  # "Cannot return the results in a contiguous 2D array": fewer than k reached
                    k //= 2
                    continue
                return slots[0].astype(np.int64), (1.0 - distances[0]).astype(np.float32)
        return np.empty(0, np.int64), np.empty(0, np.float32)

    def save(self, path: Path) -> None:
        """Write the graph to a file; called by the writing thread, while searches go on.

        Raises `OutageError` when the disk does not take all of it, of which hnswlib says nothing.
        """
        self._index.save_index(str(path))
        written, whole = path.stat().st_size if path.exists() else 0, int(self._index.index_file_size())
        if written != whole:
            raise OutageError(f"{path} took {written} of {whole} bytes; free the disk, then retry")

    def _reserve(self, more: int) -> None:
        needed = int(self._index.get_current_count()) + more
        if needed > self._index.get_max_elements():
            with self._lock.writing():
                self._index.resize_index(int(needed * GROWTH))
