"""What both legs answer to every question, asked once: a plan is then scored without searching again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from retrieval.catalog.eval_sets import EvalQuery, words_of
from retrieval.contracts import Encoder
from retrieval.dense import ranked
from retrieval.dense.products import inner_products
from retrieval.evaluation.runs import MAX_DEPTH, Metric
from retrieval.graph.links import Question
from retrieval.learned.precedents import SAME, Precedent, Precedents, lift
from retrieval.learned.ranker import Ranker, order
from retrieval.plan import FusionMethod, Plan
from retrieval.ranking.diffusion import diffuse, needs_graph
from retrieval.ranking.fusion import Candidates, FusionSignals, fuse
from retrieval.search.deeper import deepened, with_cuts
from retrieval.search.legs import legs_of
from retrieval.search.spelling import correct, corrected
from retrieval.search.types import CHUNKS_PER_DOCUMENT
from retrieval.types import MAX_QUERY_LENGTH, IndexedChunk, Ranking, Vector, Vectors
from search_core.corpus.reranking import Rerankings
from search_core.corpus.snapshot import CorpusSnapshot, key_of
from search_core.repeats import groups_of

HITS = 10  # documents that a search is asked for, where the metric does not look further
DEPTH = MAX_DEPTH * CHUNKS_PER_DOCUMENT  # candidates kept of each leg, where no plan asks for more
QUESTIONS_PER_PRODUCT = 256  # questions compared with the corpus at once: 100 MB for 100,000 chunks

Values = NDArray[np.float64]  # (questions,)
_NO_CHUNKS = BitMap64()


@dataclass(frozen=True, slots=True)
class Remembered:
    """What earlier questions say to each, looked up when it is first needed; a question says nothing to itself.

    `asked`: words -> the remembered questions that ask so. Where it is None what is remembered was asked in another
    run and its words are not known: what is as near as if it were the same does not count.
    """

    precedents: Precedents
    chunks: Mapping[str, BitMap64]  # document key -> labels
    asked: Mapping[str, Sequence[int]] | None
    told: dict[str, tuple[Precedent, ...]] = field(default_factory=dict)  # by the question's words

    def near(self, question: EvalQuery, vector: Vector) -> tuple[Precedent, ...]:
        """`vector` (dim,): the question's as the encoder gives it."""
        words = words_of(question.text)
        if words not in self.told:
            if self.asked is None:
                itself: Sequence[int] = np.flatnonzero(inner_products(self.precedents.vectors, vector) >= SAME).tolist()
            else:
                itself = self.asked.get(words, ())
            self.told[words] = self.precedents.near(vector, without=itself)
        return self.told[words]

    def chunks_of(self, key: str) -> BitMap64:
        """A `retrieval.learned.precedents.ChunksOf`."""
        return self.chunks.get(key, _NO_CHUNKS)


@dataclass(frozen=True, slots=True)
class CachedLegs:
    """Rankings of both legs, at most `depth` deep, and the signals of each question, in the order of `questions`.

    `texts` are what a search looks for: the questions with their mistyped words corrected.
    """

    snapshot: CorpusSnapshot
    questions: tuple[EvalQuery, ...]
    texts: tuple[str, ...]
    query_vectors: Vectors  # (questions, dim)
    coverage: tuple[float, ...]
    sparse: tuple[Ranking, ...]
    dense: tuple[Ranking, ...]
    encoded: Vectors | None = None  # (questions, dim) as the encoder gives them, where an adapter has moved the others
    remembered: Remembered | None = None  # needed by plans with precedents
    ranker: Ranker | None = None  # needed by plans with a learned ranker
    rerankings: Rerankings = field(default_factory=Rerankings)
    depth: int = DEPTH  # no plan that is asked for may look deeper

    def remembering(self, precedents: Precedents, asked: Sequence[str] | None) -> CachedLegs:
        """The same with these remembered; `asked`: their texts, None where these are not known."""
        chunks = {key: BitMap64() for key in precedents.documents}
        for chunk in self.snapshot.chunks:
            if key_of(chunk) in chunks:
                chunks[key_of(chunk)].add(chunk.label)
        rows = None if asked is None else {words_of(asked[group[0]]): group for group in groups_of(asked)}
        return replace(self, remembered=Remembered(precedents, chunks, rows))

    def with_query_vectors(self, vectors: Vectors) -> CachedLegs:
        """The same with another dense leg: what a query-side adapter would bring."""
        encoded = self.query_vectors if self.encoded is None else self.encoded
        return replace(self, query_vectors=vectors, dense=_dense(self.snapshot, vectors, self.depth), encoded=encoded)

    def with_chunk_vectors(self, vectors: Vectors) -> CachedLegs:
        """The same with other vectors of the chunks: what another index would answer."""
        snapshot = replace(self.snapshot, vectors=vectors)
        return replace(self, snapshot=snapshot, dense=_dense(snapshot, self.query_vectors, self.depth))

    def embedded_by(self, encoder: Encoder, vectors: Vectors) -> CachedLegs:
        """The same questions by another encoder, which gives the chunks these vectors; words are not asked again."""
        snapshot, texts = replace(self.snapshot, vectors=vectors), self.texts
        asked = encoder.encode_queries(texts)
        coverage = tuple(encoder.coverage(text) for text in texts)
        return replace(
            self,
            snapshot=snapshot,
            query_vectors=asked,
            coverage=coverage,
            dense=_dense(snapshot, asked, self.depth),
            encoded=None,  # this and what follows belongs to the former encoder
            remembered=None,
            ranker=None,
        )

    def only(self, places: Sequence[int]) -> CachedLegs:
        """Some of the questions."""
        return replace(
            self,
            questions=tuple(self.questions[place] for place in places),
            texts=tuple(self.texts[place] for place in places),
            query_vectors=self.query_vectors[list(places)],
            coverage=tuple(self.coverage[place] for place in places),
            sparse=tuple(self.sparse[place] for place in places),
            dense=tuple(self.dense[place] for place in places),
            encoded=None if self.encoded is None else self.encoded[list(places)],
        )

    def candidates(self, plan: Plan, place: int, hits: int = HITS) -> Candidates:
        """The chunks among which a search by this plan for so many documents finds them, best first."""
        needed = hits * CHUNKS_PER_DOCUMENT
        depths = {"sparse": max(plan.sparse_depth, needed), "dense": max(plan.dense_depth, needed)}
        assert max(depths.values()) <= self.depth
        first: Mapping[str, Ranking] = {
            leg: _first(ranking[place], depths[leg])
            for leg, ranking in (("sparse", self.sparse), ("dense", self.dense))
            if leg in legs_of(plan.fusion)
        }
        documents = self.snapshot.document_of, self.snapshot.labels_of
        told = deepened(first, depths, hits, *documents, partial(self._others, place))
        candidates = fuse(
            plan,
            told.get("sparse", Ranking.empty()),
            told.get("dense", Ranking.empty()),
            with_cuts(FusionSignals(self.coverage[place], sparse_asked=depths["sparse"]), first, told),
            vectors_of=self.snapshot.vectors_of,
        )
        words_alone = plan.fusion is FusionMethod.SPARSE
        vector = np.empty(0, np.float32) if words_alone else self.query_vectors[place]
        lookup = None if words_alone else self.snapshot.vectors_of
        if plan.precedents is not None:
            assert self.remembered is not None
            encoded = self.query_vectors if self.encoded is None else self.encoded
            near = self.remembered.near(self.questions[place], encoded[place])
            candidates = lift(plan.precedents, candidates, near, self.remembered.chunks_of, vector, lookup)
        if plan.diffusion is not None:
            graph = self.snapshot.graph() if needs_graph(plan.diffusion) else None
            question = Question(self.texts[place], vector)
            candidates = diffuse(plan.diffusion, candidates, graph, question, lookup)
        if plan.ranker is not None and lookup is not None:
            assert self.ranker is not None
            candidates = order(self.ranker, candidates, vector, self.snapshot.lookup)
        return candidates

    def _others(self, place: int, leg: str, count: int, without: BitMap64) -> Ranking:
        """What that leg ranks first of the other chunks."""
        snapshot = self.snapshot
        left = ~np.isin(snapshot.labels, np.array(without, np.int64))
        others = snapshot.labels[left]
        if not len(others):
            return Ranking.empty()
        if leg == "sparse":
            return snapshot.words.search(self.texts[place], count, BitMap64(others.tolist()))
        return ranked(others, inner_products(snapshot.vectors, self.query_vectors[place])[left], count)

    def best(self, plan: Plan, place: int, hits: int = HITS) -> list[IndexedChunk]:
        """Of each document that a search by this plan finds for one question the chunk, best first, at most `hits`."""
        pool = hits if plan.rerank is None else max(hits, plan.rerank.depth)
        ranked: dict[str, IndexedChunk] = {}  # a document with its best chunk
        candidates = self.candidates(plan, place, hits)
        for label in candidates.labels(len(candidates)):
            chunk = self.snapshot.chunk_of(label)
            ranked.setdefault(key_of(chunk), chunk)
            if len(ranked) == pool:
                break
        chunks = list(ranked.values())
        if plan.rerank is not None:
            first, rest = chunks[: plan.rerank.depth], chunks[plan.rerank.depth :]
            chunks = self.rerankings.ordered(plan.rerank.name, self.texts[place], first) + rest
        return chunks[:hits]

    def rank(self, plan: Plan, place: int, hits: int = HITS) -> list[str]:
        """The document keys that a search by this plan returns for one question, best first, at most `hits`."""
        return [key_of(chunk) for chunk in self.best(plan, place, hits)]

    def score(self, plan: Plan, metric: str = "ndcg@10") -> Values:
        """(questions,) what the plan is worth by a `retrieval.evaluation.runs.Metric`, with the code that serves."""
        return self.measured(self.ranked(plan, hits_for(metric)), metric)

    def ranked(self, plan: Plan, hits: int) -> list[list[str]]:
        """(questions,) what `rank` gives for each."""
        return [self.rank(plan, place, hits) for place in range(len(self.questions))]

    def measured(self, ranked: Sequence[Sequence[str]], metric: str) -> Values:
        """(questions,) what these rankings are worth."""
        measure = Metric.named(metric)
        pairs = zip(ranked, self.questions, strict=True)
        return np.array([measure(keys, question.judgements) for keys, question in pairs])


def hits_for(metric: str) -> int:
    """How many documents a search is asked for to measure it."""
    return max(HITS, Metric.named(metric).depth)


def ask_legs(
    snapshot: CorpusSnapshot,
    encoder: Encoder,
    questions: Sequence[EvalQuery],
    vectors: Vectors | None = None,
    depth: int = DEPTH,
) -> CachedLegs:
    """Both legs' answers. The dense leg compares with every vector, which an HNSW graph does all but exactly.

    `vectors` (questions, dim): the questions', where they are encoded already. `depth`: the most candidates that a plan
    asks of a leg, where that is more.
    """
    depth = max(depth, DEPTH)
    vocabulary = snapshot.vocabulary(encoder)
    asked = [question.text[:MAX_QUERY_LENGTH] for question in questions]
    texts = tuple(corrected(text, correct(text, vocabulary)) for text in asked)
    if vectors is None:
        vectors = encoder.encode_queries(texts) if texts else np.empty((0, encoder.dim), np.float32)
    return CachedLegs(
        snapshot,
        tuple(questions),
        texts,
        vectors,
        tuple(encoder.coverage(text) for text in texts),
        tuple(snapshot.words.search(text, depth) for text in texts),
        _dense(snapshot, vectors, depth),
        depth=depth,
    )


def _dense(snapshot: CorpusSnapshot, vectors: Vectors, depth: int) -> tuple[Ranking, ...]:
    found: list[Ranking] = []
    for start in range(0, len(vectors), QUESTIONS_PER_PRODUCT):
        scores = vectors[start : start + QUESTIONS_PER_PRODUCT] @ snapshot.vectors.T
        found.extend(ranked(snapshot.labels, row, depth) for row in scores)
    return tuple(found)


def _first(ranking: Ranking, depth: int) -> Ranking:
    return ranking if len(ranking) <= depth else Ranking(ranking.labels[:depth], ranking.scores[:depth])
