"""Inner products of many vectors with one, which a search asks for, without waking OpenBLAS's threads.

Woken threads spin for milliseconds after the product: a second core is busy then, and searches beside this one wait.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Vector, Vectors

BLOCK = 2**18  # multiplications in one product: from 460,800 on OpenBLAS wakes threads, 4 ms or more instead of 0.1


def block_rows(dim: int) -> int:
    """How many rows of that length one product may have."""
    return max(1, BLOCK // dim)


def inner_products(rows: Vectors, query: Vector) -> NDArray[np.float32]:
    """(n,) inner products of the rows (n, dim), which may be columns of a matrix, with the query (dim,)."""
    scores, step = np.empty(len(rows), np.float32), block_rows(len(query))
    # `np.dot` would copy a transposed matrix, and wake threads for it
    for low in range(0, len(rows), step):
        np.matmul(rows[low : low + step], query, out=scores[low : low + step])
    return scores


def each_times(rows: Vectors, matrix: Vectors) -> Vectors:
    """(n, m) the product of the rows (n, dim) with the matrix (dim, m), row by row: of one as of many."""
    return np.array([inner_products(matrix.T, row) for row in rows], np.float32).reshape(len(rows), matrix.shape[1])
