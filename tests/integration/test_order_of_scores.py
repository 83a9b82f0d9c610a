"""Scores fall with the place of a hit, also where a reranker scored the first: clients and metrics sort by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.plan import DEFAULT_PLAN, RerankStep
from retrieval.ranking.rerank import RERANKERS
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Document

DEPTH = 5


class Logits:
    """Scores as a cross-encoder gives them, below those of fusion; the longest passage is the best."""

    def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        return [len(passage) / 1000 - 7 for passage in passages]


RERANKERS.register("logits-of-scores", Logits, "for tests")


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    settings = Settings(data_dir=Path(tmp_path_factory.mktemp("scores")), encoder="hash")
    with KnowledgeBase.open(settings) as opened:
        opened.ensure_collection("c")
        documents = [Document(f"d{number}", "pump " + f"word{number} " * number) for number in range(3 * DEPTH)]
        opened.write("c", documents, wait=True)
        yield opened


@pytest.mark.parametrize("depth", [DEPTH, 100])
def test_scores_fall_after_a_reranker_too(kb: KnowledgeBase, depth: int) -> None:
    plan = replace(DEFAULT_PLAN, rerank=RerankStep("logits-of-scores", depth))
    hits = kb.search("c", SearchRequest("pump", 2 * DEPTH), OPERATOR, plan=plan).hits
    plain = kb.search("c", SearchRequest("pump", 2 * DEPTH), OPERATOR, plan=DEFAULT_PLAN).hits
    assert len(hits) == 2 * DEPTH
    assert all(one.score >= next.score for one, next in pairwise(hits))
    reranked = [hit for hit in hits if hit.rerank_score is not None]
    assert reranked == list(hits[:depth]) and all(hit.score == hit.rerank_score for hit in reranked)
    rest = hits[depth:]
    assert [hit.chunk.key for hit in rest] == [hit.chunk.key for hit in plain[depth:]]
    for (one, next), (first, second) in zip(pairwise(rest), pairwise(plain[depth:]), strict=True):
        assert one.score - next.score == pytest.approx(first.score - second.score)
