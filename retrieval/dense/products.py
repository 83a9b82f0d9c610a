"""Inner products of many vectors with one, which a search asks for, without waking OpenBLAS's threads.

Woken threads spin for milliseconds after the product: a second core is busy then, and searches beside this one wait.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Vector, Vectors

BLOCK_ROWS = 500  # rows in one matrix product: large ones make OpenBLAS wake threads, 8 ms instead of 0.2


def inner_products(rows: Vectors, query: Vector) -> NDArray[np.float32]:
    """(n,) inner products of the rows (n, dim) with the query (dim,)."""
    scores = np.empty(len(rows), np.float32)
    for low in range(0, len(rows), BLOCK_ROWS):
        np.dot(rows[low : low + BLOCK_ROWS], query, out=scores[low : low + BLOCK_ROWS])
    return scores
