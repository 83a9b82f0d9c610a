"""What a plan's reranker says of questions and chunks, asked once a pair: plans share most of their candidates."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.ranking.rerank import OpenRerankers
from retrieval.types import IndexedChunk
from search_core.corpus.snapshot import passage_of


class Rerankings:
    """Scores by reranker, question and chunk; of one snapshot."""

    def __init__(self, opened: OpenRerankers | None = None) -> None:
        self._opened = opened or OpenRerankers()
        self._scores: dict[tuple[str, str], dict[int, float]] = {}  # (reranker, question) -> label -> score

    def anew(self) -> Rerankings:
        """By the same models, with nothing remembered: what a search costs that nobody asked before."""
        return Rerankings(self._opened)

    def ordered(self, name: str, question: str, chunks: Sequence[IndexedChunk]) -> list[IndexedChunk]:
        """The chunks, best first, as a search reranks them. Raises `InvalidInputError` as `build_reranker` does."""
        known = self._scores.setdefault((name, question), {})
        unknown = [chunk for chunk in chunks if chunk.label not in known]
        if unknown:
            scores = self._opened(name).rerank(question, [passage_of(chunk) for chunk in unknown])
            known.update(zip((chunk.label for chunk in unknown), scores, strict=True))
        return sorted(chunks, key=lambda chunk: (-known[chunk.label], chunk.label))
