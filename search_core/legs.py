"""What both legs answer to every question, asked once: a plan is then scored without searching again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.contracts import Encoder
from retrieval.diffusion import diffuse, needs_graph
from retrieval.evaluation import METRICS
from retrieval.fusion import FusionSignals, fuse
from retrieval.graph.links import Question
from retrieval.plan import FusionMethod, Plan
from retrieval.retriever import CHUNKS_PER_DOCUMENT, MAX_QUERY_LENGTH
from retrieval.types import Ranking, Vectors
from search_core.snapshot import CorpusSnapshot, key_of

DEPTH = 200  # candidates kept of each leg; no plan of the spaces asks for more
HITS = 10  # documents a question is judged by
QUESTIONS_PER_PRODUCT = 256  # questions compared with the corpus at once: 100 MB for 100,000 chunks

Values = NDArray[np.float64]  # (questions,)


@dataclass(frozen=True, slots=True)
class CachedLegs:
    """Rankings of both legs, at most `DEPTH` deep, and the signals of each question, in the order of `questions`."""

    snapshot: CorpusSnapshot
    questions: tuple[EvalQuery, ...]
    query_vectors: Vectors  # (questions, dim)
    coverage: tuple[float, ...]
    sparse: tuple[Ranking, ...]
    dense: tuple[Ranking, ...]

    def with_query_vectors(self, vectors: Vectors) -> CachedLegs:
        """The same with another dense leg: what a query-side adapter would bring."""
        return replace(self, query_vectors=vectors, dense=_dense(self.snapshot, vectors))

    def with_chunk_vectors(self, vectors: Vectors) -> CachedLegs:
        """The same with other vectors of the chunks: what another index would answer."""
        snapshot = replace(self.snapshot, vectors=vectors)
        return replace(self, snapshot=snapshot, dense=_dense(snapshot, self.query_vectors))

    def only(self, places: Sequence[int]) -> CachedLegs:
        """Some of the questions."""
        return CachedLegs(
            self.snapshot,
            tuple(self.questions[place] for place in places),
            self.query_vectors[list(places)],
            tuple(self.coverage[place] for place in places),
            tuple(self.sparse[place] for place in places),
            tuple(self.dense[place] for place in places),
        )

    def rank(self, plan: Plan, place: int) -> list[str]:
        """The document keys that a search by this plan returns for one question, best first."""
        needed = HITS * CHUNKS_PER_DOCUMENT
        sparse_depth, dense_depth = max(plan.sparse_depth, needed), max(plan.dense_depth, needed)
        signals = FusionSignals(self.coverage[place], sparse_asked=sparse_depth)
        candidates = fuse(
            plan,
            _first(self.sparse[place], sparse_depth),
            _first(self.dense[place], dense_depth),
            signals,
            vectors_of=self.snapshot.vectors_of,
        )
        if plan.diffusion is not None:
            graph = self.snapshot.graph() if needs_graph(plan.diffusion) else None
            vector = np.empty(0, np.float32) if plan.fusion is FusionMethod.SPARSE else self.query_vectors[place]
            lookup = None if plan.fusion is FusionMethod.SPARSE else self.snapshot.vectors_of
            question = Question(self.questions[place].text[:MAX_QUERY_LENGTH], vector)
            candidates = diffuse(plan.diffusion, candidates, graph, question, lookup)
        ranked: dict[str, None] = {}
        for candidate in candidates[: HITS * 2 * CHUNKS_PER_DOCUMENT]:
            ranked.setdefault(key_of(self.snapshot.chunks[int(np.searchsorted(self.snapshot.labels, candidate.label))]))
            if len(ranked) == HITS:
                break
        return list(ranked)

    def score(self, plan: Plan, metric: str = "ndcg@10") -> Values:
        """(questions,) what the plan is worth by one of `retrieval.evaluation.METRICS`, with the code that serves."""
        measure = METRICS[metric]
        ranked = (self.rank(plan, place) for place in range(len(self.questions)))
        pairs = zip(ranked, self.questions, strict=True)
        return np.array([measure(keys, question.judgements) for keys, question in pairs])


def ask_legs(snapshot: CorpusSnapshot, encoder: Encoder, questions: Sequence[EvalQuery]) -> CachedLegs:
    """Both legs' answers. The dense leg compares with every vector, which an HNSW graph does all but exactly."""
    texts = [question.text[:MAX_QUERY_LENGTH] for question in questions]
    vectors = encoder.encode_queries(texts) if texts else np.empty((0, encoder.dim), np.float32)
    return CachedLegs(
        snapshot,
        tuple(questions),
        vectors,
        tuple(encoder.coverage(text) for text in texts),
        tuple(snapshot.words.search(text, DEPTH) for text in texts),
        _dense(snapshot, vectors),
    )


def _dense(snapshot: CorpusSnapshot, vectors: Vectors) -> tuple[Ranking, ...]:
    found: list[Ranking] = []
    for start in range(0, len(vectors), QUESTIONS_PER_PRODUCT):
        scores = vectors[start : start + QUESTIONS_PER_PRODUCT] @ snapshot.vectors.T
        found.extend(_best(snapshot, row) for row in scores)
    return tuple(found)


def _best(snapshot: CorpusSnapshot, scores: NDArray[np.float32]) -> Ranking:
    if len(scores) > DEPTH:
        rows = np.argpartition(-scores, DEPTH - 1)[:DEPTH]
    else:
        rows = np.arange(len(scores))
    labels, kept = snapshot.labels[rows], scores[rows]
    order = np.lexsort((labels, -kept))
    return Ranking(labels[order], kept[order])


def _first(ranking: Ranking, depth: int) -> Ranking:
    return ranking if len(ranking) <= depth else Ranking(ranking.labels[:depth], ranking.scores[:depth])
