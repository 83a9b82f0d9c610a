"""Products with one vector: what they give, and that they leave OpenBLAS's threads asleep, however long the rows."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from retrieval.dense.products import each_times, inner_products
from retrieval.dense.vector_file import VectorFile
from retrieval.learned.adapter import QueryAdapter

AWAKE_SECONDS = 0.001  # of other threads: woken ones spin for 4 ms, each time
TURNS = 9
DIMS = (384, 768, 1024, 3072)


def others_seconds(run: Callable[[], object]) -> float:
    """Median processor time of this process's other threads, while it runs and shortly after."""
    took = []
    for _ in range(TURNS):
        began, mine = time.process_time(), time.thread_time()
        run()
        time.sleep(0.005)
        took.append(time.process_time() - began - (time.thread_time() - mine))
    return float(np.median(took))


def drawn(rows: int, dim: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(dim).standard_normal((rows, dim)).astype(np.float32) / np.float32(dim**0.5)


@pytest.mark.parametrize("dim", DIMS)
def test_no_thread_is_woken_for_vectors_of_any_length(dim: int) -> None:
    vectors = drawn(1_500, dim)
    file = VectorFile(None, dim)
    file.append(vectors)
    adapter = QueryAdapter("e", dim, delta=drawn(dim, dim))
    some = np.arange(0, 1_500, 2)
    assert others_seconds(lambda: inner_products(vectors, vectors[0])) < AWAKE_SECONDS
    assert others_seconds(lambda: file.scores_at(vectors[0], some)) < AWAKE_SECONDS
    assert others_seconds(lambda: adapter.apply(vectors[:1])) < AWAKE_SECONDS
    file.close()


@pytest.mark.parametrize("dim", (*DIMS, 1))
def test_products_are_those_of_the_whole(dim: int) -> None:
    vectors, matrix = drawn(700, dim), drawn(dim, 5)
    assert np.allclose(inner_products(vectors, vectors[3]), vectors.astype(np.float64) @ vectors[3], atol=1e-5)
    assert np.allclose(each_times(vectors[:4], matrix), vectors[:4].astype(np.float64) @ matrix, atol=1e-5)
    assert each_times(vectors[:0], matrix).shape == (0, 5)


def test_an_adapter_turns_one_vector_as_it_turns_many() -> None:
    vectors = drawn(40, 384)
    adapter = QueryAdapter("e", 384, delta=drawn(384, 384))
    assert np.array_equal(adapter.apply(vectors), np.vstack([adapter.apply(one[None]) for one in vectors]))
