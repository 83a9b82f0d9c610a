"""Drawn plans rank a drawn corpus in a run as they do in the search that serves, with the same scores.

The corpus has what makes ways part: long documents beside short ones, names, links, two languages, synonyms and a
dictionary, equal passages; the questions are mistyped now and then, or too long.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from api.knowledge_base import KnowledgeBase
from infra.settings import load_settings
from retrieval.catalog.collections import CollectionSettings
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.contracts import Encoder
from retrieval.encoder.hashing import HashEncoder
from retrieval.learned.adapter import QueryAdapter, write_adapter
from retrieval.learned.files import ARTIFACTS
from retrieval.learned.precedents import Precedents, write_precedents
from retrieval.learned.ranker import FEATURES, Ranker, write_ranker
from retrieval.plan import DiffusionEdges, DiffusionStep, FusionMethod, Normalisation, Plan, PrecedentStep, RerankStep
from retrieval.ranking.rerank import RERANKERS
from retrieval.search.types import SearchRequest
from retrieval.types import MAX_QUERY_LENGTH, OPERATOR, Document
from search_core.corpus.legs import DEPTH, CachedLegs, ask_legs
from search_core.corpus.snapshot import read_snapshot
from search_core.spaces.plan_mapping import deepest

DOCUMENTS, QUESTIONS, PLANS = 120, 10, 24
CLOSE = 1e-4  # cosines are rounded to six decimals, whose share of a score a plan may multiply
DEEPEST = Plan(dense_depth=1000)  # than what a run keeps of a leg by default
SYLLABLES = ("ba", "ke", "lo", "mi", "nu", "ra", "se", "ti", "vo", "zu", "wen", "tor", "pel")
HAN = "保险合同条款责任免除理赔等待期被投受益人金额退现价值疾病医疗住院手术门诊意外伤害身故"


class Shares:
    """Words of the query that a passage has."""

    def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        return [float(sum(word in passage for word in query.split())) for passage in passages]


RERANKERS.register("shares-of-words", Shares, "for tests")


class World:
    """A drawn collection, questions, and what plans may have learned."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb, self.draw = kb, random.Random(4)
        self.words = ["".join(self.draw.choices(SYLLABLES, k=self.draw.randint(2, 4))) for _ in range(300)]
        self.names = [" ".join(self.draw.sample(self.words, 2)).title() for _ in range(30)]
        documents = [self._document(number) for number in range(DOCUMENTS)]
        documents += [replace(one, key=f"copy of {one.key}") for one in documents[:10]]
        synonyms = ((self.words[1], self.words[2]), ("理赔", "责任"))
        kb.create_collection("c", CollectionSettings(dictionary=("等待期", self.words[0]), synonyms=synonyms))
        kb.write("c", documents, wait=True, timeout=60.0)
        encoder, collection = kb.open_encoder("hash"), kb.catalog.collections.get("c")
        asked = [EvalQuery(f"q{at}", self._question(documents), {}) for at in range(QUESTIONS)]
        plain = ask_legs(read_snapshot(kb.catalog, collection), encoder, asked, depth=deepest(DEEPEST))
        assert len(plain.snapshot.chunks) > 2 * DEPTH
        self.legs, self.turned = self._learned(plain, encoder, documents)

    def plan(self) -> Plan:
        draw = self.draw
        step = DiffusionStep(
            draw.choice(list(DiffusionEdges)),
            draw.choice([1, 10, 50]),
            draw.choice([0.2, 0.5, 0.8]),
            draw.choice([1, 2]),
        )
        return Plan(
            sparse_depth=draw.choice([5, 30, 100, 300, 1000]),
            dense_depth=draw.choice([5, 30, 100, 300, 1000]),
            fusion=draw.choice(list(FusionMethod)),
            normalisation=draw.choice([one for one in Normalisation if one is not Normalisation.Z_SCORE]),
            dense_weight=draw.choice([0.0, 0.3, 0.7, 1.0]),
            adaptive=draw.random() < 0.7,
            feedback=draw.choice([0.0, 0.15, 0.5]),
            feedback_top=draw.choice([1, 2, 5]),
            rerank=RerankStep("shares-of-words", draw.choice([3, 50])) if draw.random() < 0.2 else None,
            adapter="turned" if draw.random() < 0.3 else None,
            diffusion=step if draw.random() < 0.6 else None,
            precedents=PrecedentStep("earlier", draw.choice([0.3, 1.0])) if draw.random() < 0.3 else None,
        )

    def _document(self, number: int) -> Document:
        draw, sentences = self.draw, []
        for _ in range(draw.choice([1, 3, 120])):
            words = draw.choices(self.words, k=draw.randint(6, 14))
            words += [draw.choice(self.names)] if draw.random() < 0.4 else []
            words += [f"[see](d{draw.randrange(DOCUMENTS)})"] if draw.random() < 0.1 else []
            sentences.append(" ".join(words) + ".")
            sentences += ["".join(draw.choices(HAN, k=20)) + "。"] if draw.random() < 0.2 else []
        title = draw.choice(self.names) if draw.random() < 0.5 else ""
        return Document(f"d{number}", " ".join(sentences), title)

    def _question(self, documents: list[Document]) -> str:
        draw = self.draw
        said = draw.choice(documents).text.split()
        words = draw.sample(said, min(len(said), draw.randint(2, 8)))
        words += [draw.choice(self.names)] if draw.random() < 0.4 else []
        words += ["".join(draw.choices(HAN, k=6))] if draw.random() < 0.3 else []
        words += [f"{word[0]}{word[2]}{word[1]}{word[3:]}" for word in draw.sample(self.words, 1) if len(word) > 5]
        return " ".join(words) * (MAX_QUERY_LENGTH if draw.random() < 0.1 else 1)

    def _learned(self, legs: CachedLegs, encoder: Encoder, documents: list[Document]) -> tuple[CachedLegs, CachedLegs]:
        """Without the adapter, and with it."""
        folder, draw = self.kb.settings.data_dir / ARTIFACTS, np.random.default_rng(4)
        matrix = (0.3 * draw.standard_normal((encoder.dim, encoder.dim)) / encoder.dim**0.5).astype(np.float32)
        adapter = QueryAdapter(encoder.fingerprint, encoder.dim, delta=matrix)
        texts = [" ".join(self.draw.choices(self.words, k=4)) for _ in range(150)] + [one[:50] for one in legs.texts]
        answered = [{self.draw.choice(documents).key for _ in range(self.draw.randint(0, 3))} for _ in texts]
        precedents = Precedents.of(encoder.fingerprint, encoder.encode_queries(texts), answered)
        write_adapter(folder / "turned", adapter)
        write_precedents(folder / "earlier", precedents)
        legs = legs.remembering(precedents, [])
        return legs, legs.with_query_vectors(adapter.apply(legs.query_vectors))


def scores_of(legs: CachedLegs, plan: Plan, place: int, hits: int = 10) -> dict[int, float]:
    """By label, of each candidate."""
    return dict(zip(*(told.tolist() for told in legs.candidates(plan, place, hits).scored()), strict=True))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(HashEncoder, "coverage", lambda _, text: sum(map(str.isascii, text)) / len(text))
        folder = tmp_path_factory.mktemp("kb")
        with KnowledgeBase.open(load_settings(data_dir=folder, encoder="hash")) as kb:
            yield World(kb)


def test_drawn_plans_rank_as_they_do_where_they_serve(world: World) -> None:
    corrected, exact = 0, 0
    for plan in (world.plan() for _ in range(PLANS)):
        legs, hits = world.turned if plan.adapter else world.legs, world.draw.choice([10, 10, 100])
        for place, question in enumerate(legs.questions):
            request = SearchRequest(question.text[:MAX_QUERY_LENGTH], hits, highlight=False)
            served = world.kb.search("c", request, OPERATOR, plan=plan)
            labels, told = [hit.chunk.label for hit in served.hits], [one.label for one in legs.best(plan, place, hits)]
            scores = scores_of(legs, plan, place, hits)
            assert all(abs(scores[hit.chunk.label] - hit.fused.score) < CLOSE for hit in served.hits), plan
            assert np.allclose([scores[one] for one in labels], [scores[one] for one in told], rtol=0, atol=CLOSE), plan
            corrected += bool(served.corrections)
            exact += labels == told
    assert corrected > PLANS and exact > 0.97 * PLANS * QUESTIONS  # equal passages part where a cosine is rounded


def test_a_drawn_ranker_scores_as_it_does_where_it_serves(world: World) -> None:
    encoder, draw = world.kb.open_encoder("hash"), np.random.default_rng(5)
    weights, mean, deviation = (draw.uniform(0.05, 0.3, len(FEATURES)).astype(np.float32) for _ in range(3))
    ranker = Ranker(encoder.fingerprint, encoder.dim, weights, mean, deviation, *world.legs.query_vectors[:2])
    write_ranker(world.kb.settings.data_dir / ARTIFACTS / "drawn", ranker)
    for fusion in FusionMethod:
        plan = Plan(fusion=fusion, ranker="drawn", precedents=PrecedentStep("earlier"))
        legs = replace(world.legs, ranker=ranker)
        for place, question in enumerate(legs.questions):
            served = world.kb.search("c", SearchRequest(question.text[:MAX_QUERY_LENGTH]), OPERATOR, plan=plan)
            scores = scores_of(legs, plan, place)
            assert all(abs(scores[hit.chunk.label] - hit.fused.score) < 10 * CLOSE for hit in served.hits), plan
