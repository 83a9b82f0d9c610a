"""Vectors in an append-only file, read through a memory map: rows never change, so readers need no lock.

The kernel keeps in memory what is read and drops it when memory is short; the process holds no copy of its own.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.dense.products import block_rows, inner_products
from retrieval.errors import ViewError
from retrieval.types import Vector, Vectors

GROWTH = 1.5  # the file is extended (sparsely) by this factor, so that maps are renewed seldom
MIN_ROWS = 1024


class VectorFile:
    """(count, dim) float32 rows, numbered from 0 in the order they came."""

    def __init__(self, path: Path | None, dim: int, count: int = 0, checksum: int = 0) -> None:
        """Open `count` rows of the file; later ones are forgotten. Raises `ViewError` when the checksum differs."""
        self.path = path
        self.dim = dim
        self.count = count
        self.checksum = checksum  # CRC-32 of all rows
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644) if path else _unnamed_file()
        self._rows = np.empty((0, dim), np.float32)
        self._extend(max(count, MIN_ROWS))
        if zlib.crc32(self._rows[:count].data) != checksum:
            self.close()
            raise ViewError(f"{path} does not hold the {count} vectors of its manifest; delete the view's folder")

    def append(self, vectors: Vectors) -> None:
        """Add rows at the end; they are readable when this returns."""
        content = np.ascontiguousarray(vectors, np.float32).tobytes()
        if self.count + len(vectors) > len(self._rows):
            self._extend(int((self.count + len(vectors)) * GROWTH))
        _write_all(self._descriptor, content, self.count * self.dim * 4)
        self.checksum = zlib.crc32(content, self.checksum)
        self.count += len(vectors)

    def take(self, slots: NDArray[np.int64]) -> Vectors:
        """(n, dim) copies of these rows."""
        return self._rows[slots]

    def scores(self, query: Vector, start: int, end: int) -> NDArray[np.float32]:
        """(end - start,) inner products with the query."""
        return inner_products(self._rows[start:end], query)

    def scores_at(self, query: Vector, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) inner products of the rows in `slots` with the query."""
        rows, scores, step = self._rows, np.empty(len(slots), np.float32), block_rows(self.dim)
        for low in range(0, len(slots), step):
            np.dot(rows[slots[low : low + step]], query, out=scores[low : low + step])
        return scores

    def sync(self) -> None:
        """Make the rows durable."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; maps that readers still hold stay valid."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _extend(self, rows: int) -> None:
        size = rows * self.dim * 4
        if os.fstat(self._descriptor).st_size < size:
            os.ftruncate(self._descriptor, size)
        mapped = mmap.mmap(self._descriptor, size, prot=mmap.PROT_READ)
        self._rows = np.frombuffer(mapped, np.float32).reshape(rows, self.dim)


def _unnamed_file() -> int:
    with tempfile.TemporaryFile(prefix="kb-vectors-") as stream:
        return os.dup(stream.fileno())


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
