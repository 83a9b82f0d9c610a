"""What every `Reranker` must do. Subclass `RerankerContract` in a test file and give it a `reranker` fixture."""

from __future__ import annotations

import math

import pytest

from retrieval.contracts import Reranker

QUERY = "How long is the warranty of the AX-1200 pump?"
PASSAGES = (
    "The AX-1200 pump comes with a warranty of 24 months.",
    "Our canteen opens at noon.",
    "AX-1200 水泵保修期为二十四个月。",
    "warranty " * 2000,  # longer than any model reads
    "?",
)


class RerankerContract:
    """Pytest collects the methods of a subclass whose name starts with Test."""

    def test_every_passage_has_one_finite_score(self, reranker: Reranker) -> None:
        """Whatever the passage looks like."""
        scores = reranker.rerank(QUERY, PASSAGES)
        assert len(scores) == len(PASSAGES)
        assert all(math.isfinite(score) for score in scores)

    def test_no_passages_have_no_scores(self, reranker: Reranker) -> None:
        """A search without candidates is no error."""
        assert list(reranker.rerank(QUERY, [])) == []

    def test_scores_follow_their_passages(self, reranker: Reranker) -> None:
        """The order given and the company of others change no score."""
        scores = reranker.rerank(QUERY, PASSAGES)
        assert list(reranker.rerank(QUERY, PASSAGES[::-1])) == pytest.approx(list(scores)[::-1], abs=1e-4)
        assert reranker.rerank(QUERY, PASSAGES[1:2])[0] == pytest.approx(scores[1], abs=1e-4)

    def test_the_query_matters(self, reranker: Reranker) -> None:
        """A score belongs to the pair."""
        assert list(reranker.rerank(QUERY, PASSAGES)) != list(reranker.rerank("When is lunch?", PASSAGES))
