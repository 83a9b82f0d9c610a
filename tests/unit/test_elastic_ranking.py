"""The best hits of a server that breaks ties by its own rules: all ties with the last one count, by rising label."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from retrieval.contracts import Scope
from retrieval.elastic.index import Hit
from retrieval.elastic.ranking import ESCALATION, MARGIN, best, restriction
from retrieval.elastic.terms import label_queries
from retrieval.types import OPERATOR

DECIMALS = 4
STEPS = st.lists(st.integers(0, 3), min_size=1, max_size=120)  # few different scores: mostly ties
JITTER = 4e-5  # sums of floats in another order: less than half a unit of the last decimal


class _Server:
    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores.astype(np.float32)
        self.asked: list[int] = []

    def search(self, size: int) -> list[Hit]:
        self.asked.append(size)
        order = np.lexsort((np.arange(len(self.scores)), -self.scores))
        return [[float(self.scores[label]), int(label)] for label in order[:size]]

    def search_from(self, least: float, size: int) -> list[Hit]:
        self.asked.append(size)
        found = np.flatnonzero(self.scores >= np.float32(least))[:size]
        return [[float(self.scores[label]), int(label)] for label in found]


@given(STEPS, st.integers(1, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_the_first_by_rounded_score_and_label(steps: list[int], k: int, seed: int, tells_ties: bool) -> None:
    jitter = np.random.default_rng(seed).uniform(-JITTER, JITTER, len(steps))
    server = _Server(np.array(steps) + 1.0 + jitter)
    found = best(server.search, k, DECIMALS, server.search_from if tells_ties else None)
    expected = sorted(range(len(steps)), key=lambda label: (-steps[label], label))[:k]
    assert found.labels.tolist() == expected
    np.testing.assert_allclose(found.scores, [steps[label] + 1.0 for label in expected], atol=2e-4)
    if tells_ties:
        assert len(server.asked) <= 2


def test_what_rounds_to_less_does_not_hide_ties() -> None:
    """The tied answer is full of lower labels that just miss the score: a larger answer of the first kind decides."""
    missed, tied = np.full(60, 2.0 - 5.5e-5), np.full(60, 2.0)
    server = _Server(np.concatenate((missed, tied)))
    assert best(server.search, 10, DECIMALS, server.search_from).labels.tolist() == list(range(60, 70))
    assert server.asked == [10 + MARGIN, 10 + MARGIN, (10 + MARGIN) * ESCALATION]


def test_a_scope_leaves_labels_out() -> None:
    assert restriction(None, Scope(OPERATOR)) == []
    (query,) = restriction(None, Scope(OPERATOR, without=BitMap64([3, 5]))) or []
    assert query == {"bool": {"must_not": label_queries([3, 5])}}
