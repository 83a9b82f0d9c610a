"""What a run compares is what searches do: the serving plan's reranker, and no more work than a plan asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tuning_world import documents, questions, tuning_world

from api.knowledge_base import KnowledgeBase
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.dense.products import inner_products
from retrieval.encoder.hashing import HashEncoder
from retrieval.evaluation.metrics import ndcg
from retrieval.learned.adapter import QueryAdapter, write_adapter
from retrieval.learned.files import ARTIFACTS
from retrieval.learned.ranker import FEATURES, Ranker, write_ranker
from retrieval.plan import DEFAULT_PLAN, FusionMethod, Plan, RerankStep
from retrieval.ranking.rerank import RERANKERS
from retrieval.search.types import SearchRequest
from retrieval.sparse import SparseView
from retrieval.types import OPERATOR, Document, Vector, Vectors
from search_core.candidate import Candidate
from search_core.corpus.legs import CachedLegs, ask_legs
from search_core.corpus.snapshot import passage_of, read_snapshot
from search_core.proof import latency
from search_core.proof.latency import compare_latency
from search_core.questions.supervision import given
from search_core.spaces.plan_mapping import architecture_of, plan_space
from search_core.spaces.space_file import open_space
from search_core.trainer import AutoModelTrainer

WORDS = replace(DEFAULT_PLAN, fusion=FusionMethod.SPARSE)
ENCODING_SECONDS = 0.01  # what the slow encoder takes for a text
ASKED = 20


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with tuning_world(tmp_path) as opened:
        yield opened


class Oracle:
    """Knows that the first two words of a question are those that its document has of its own."""

    pairs = 0

    def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        Oracle.pairs += len(passages)
        return [float(sum(word in passage for word in query.split()[:2])) for passage in passages]


RERANKERS.register("oracle-of-tuning", Oracle, "for tests")
RERANKED = replace(DEFAULT_PLAN, rerank=RerankStep("oracle-of-tuning", 30))


class Slow(HashEncoder):
    """Takes the processor as long as a model would."""

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        until = time.process_time() + ENCODING_SECONDS * len(texts)
        while time.process_time() < until:
            pass
        return super().encode_passages(texts)

    encode_queries = encode_passages


def asked_legs(kb: KnowledgeBase) -> CachedLegs:
    texts, qrels = questions()
    asked = given(texts, qrels, frozenset(document.key for document in documents())).questions[:ASKED]
    return ask_legs(read_snapshot(kb.catalog, kb.catalog.collections.get("c")), kb.open_encoder("hash"), asked)


def served_keys(kb: KnowledgeBase, question: EvalQuery, plan: Plan) -> list[str]:
    found = kb.search("c", SearchRequest(question.text), OPERATOR, plan=plan)
    return [hit.chunk.key for hit in found.hits]


def test_of_equal_passages_beyond_the_depth_those_are_compared_that_searches_find(kb: KnowledgeBase) -> None:
    copies = [Document(f"copy{n:03}", "one notice that stands in many places", "") for n in range(400)]
    kb.write("c", copies, wait=True, timeout=60.0)
    collection = kb.catalog.collections.get("c")
    asked = [EvalQuery("q", "the notice that stands in many places", {"copy000": 1})]
    legs = ask_legs(read_snapshot(kb.catalog, collection), kb.open_encoder("hash"), asked)
    for fusion in FusionMethod:
        plan = replace(DEFAULT_PLAN, fusion=fusion, feedback=0.0)
        assert legs.rank(plan, 0) == served_keys(kb, asked[0], plan) == [one.key for one in copies[:10]], fusion


def test_another_encoder_is_asked_without_asking_words_again(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    legs, encoder = asked_legs(kb), HashEncoder(dim=64)
    vectors = encoder.encode_passages([passage_of(chunk) for chunk in legs.snapshot.chunks])
    anew = ask_legs(replace(legs.snapshot, vectors=vectors), encoder, legs.questions)
    with monkeypatch.context() as patched:
        patched.setattr(SparseView, "search", None)
        again = legs.embedded_by(encoder, vectors)
    for fusion in FusionMethod:
        plan = replace(DEFAULT_PLAN, fusion=fusion)
        assert again.ranked(plan, 10) == anew.ranked(plan, 10)


def test_a_reranker_orders_as_the_serving_search_does_and_is_asked_once_for_each_pair(kb: KnowledgeBase) -> None:
    legs = asked_legs(kb)
    for fusion in FusionMethod:
        for depth in (5, 30):
            plan = replace(RERANKED, fusion=fusion, rerank=replace(RERANKED.rerank, depth=depth))
            for place, question in enumerate(legs.questions):
                assert legs.rank(plan, place) == served_keys(kb, question, plan), plan
    before = Oracle.pairs
    legs.only(range(5)).score(RERANKED)
    assert Oracle.pairs == before
    legs.snapshot.close()


def drawn_ranker(kb: KnowledgeBase, legs: CachedLegs) -> Ranker:
    """Of random weights."""
    draw, encoder = np.random.default_rng(5), kb.open_encoder("hash")
    weights, mean, deviation = (draw.uniform(0.05, 0.3, len(FEATURES)).astype(np.float32) for _ in range(3))
    return Ranker(encoder.fingerprint, encoder.dim, weights, mean, deviation, *legs.query_vectors[:2])


def test_a_ranker_orders_as_the_serving_search_does(kb: KnowledgeBase) -> None:
    legs = asked_legs(kb)
    ranker = drawn_ranker(kb, legs)
    write_ranker(kb.settings.data_dir / ARTIFACTS / "drawn", ranker)
    legs, moved = replace(legs, ranker=ranker), 0
    for fusion in FusionMethod:
        plain = replace(DEFAULT_PLAN, fusion=fusion)
        for place, question in enumerate(legs.questions):
            plan = replace(plain, ranker="drawn")
            assert (found := legs.rank(plan, place)) == served_keys(kb, question, plan), plan
            moved += found != legs.rank(plain, place)
    assert moved > 2 * ASKED  # by words alone there is nothing to compare
    legs.snapshot.close()


def test_a_ranker_that_was_found_joins_what_learned_from_both_parts(kb: KnowledgeBase) -> None:
    legs, encoder, space = asked_legs(kb), kb.open_encoder("hash"), open_space("gnn-lm-v1")
    plain = architecture_of(DEFAULT_PLAN, plan_space(space))
    ranked = space.complete(plain.as_dict() | {"ranker": 0.01})
    bias = 0.5 * legs.query_vectors[0].astype(np.float32)
    start = Candidate(plain, DEFAULT_PLAN, legs, legs, encoder)
    final = start.with_adapter(QueryAdapter(encoder.fingerprint, encoder.dim, bias=bias), plain)
    found = start.with_ranker(drawn_ranker(kb, legs), ranked)
    joined, places = final.ranked_as(found), tuple(range(ASKED))
    assert (joined.plan.adapter, joined.plan.ranker) == (final.plan.adapter, found.plan.ranker)
    assert joined.architecture == ranked and joined.adapter is final.adapter and joined.ranker is found.ranker
    assert joined.adapter is not None and joined.ranker is not None
    write_adapter(kb.settings.data_dir / ARTIFACTS / str(joined.plan.adapter), joined.adapter)
    write_ranker(kb.settings.data_dir / ARTIFACTS / str(joined.plan.ranker), joined.ranker)
    for place, question in enumerate(legs.questions):
        assert joined.legs.rank(joined.plan, place) == served_keys(kb, question, joined.plan)
    assert not np.array_equal(joined.values(places, "ndcg@10"), final.values(places, "ndcg@10"))
    assert not np.array_equal(joined.values(places, "ndcg@10"), found.values(places, "ndcg@10"))
    legs.snapshot.close()


def test_what_the_reranker_makes_up_for_is_no_gain(kb: KnowledgeBase) -> None:
    collection = kb.catalog.collections.get("c")
    plan_id = kb.catalog.plans.add(collection, "reranked", RERANKED.to_dict(), RERANKED.digest, "test").id
    kb.catalog.plans.promote(collection, plan_id, "test", "")
    kb.runtime("c").refresh()
    texts, qrels = questions()
    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    wishes = {"collection": "c", "budget": "120s", "max_epochs": 2, "tiers": "plan", "queries": texts, "qrels": qrels}
    result = AutoModelTrainer(**wishes, **about).run()  # type: ignore[arg-type]
    assert result.plan.rerank == RERANKED.rerank
    asked = [EvalQuery(name, text, qrels[name]) for name, text in texts.items()]
    served = np.mean([ndcg(served_keys(kb, one, RERANKED), one.judgements, 10) for one in asked])
    assert served > 0.95
    assert result.metrics["serving"]["ndcg@10"] == pytest.approx(float(served), abs=0.05)  # sealed ones, and all
    assert result.metrics["default"]["ndcg@10"] < served - 0.1
    assert result.lift < 0.05 and not result.promoted


def test_a_graph_of_vectors_is_timed_as_what_is_compared_without_one(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    legs, encoder, space = asked_legs(kb), kb.open_encoder("hash"), plan_space(open_space("gnn-lm-v1"))
    one, other = (Candidate(architecture_of(plan, space), plan, legs, legs, encoder) for plan in (WORDS, DEFAULT_PLAN))
    compared: list[int] = []

    def counted(rows: Vectors, query: Vector) -> Vectors:
        compared.append(len(rows))
        return inner_products(rows, query)

    monkeypatch.setattr(latency, "inner_products", counted)
    for limit, expected in ((4096, len(legs.snapshot.vectors)), (100, 100)):
        monkeypatch.setattr(latency, "FLAT_LIMIT", limit)
        compared.clear()
        compare_latency(kb.catalog, one, other, tuple(range(ASKED)))
        assert set(compared) == {expected}
    legs.snapshot.close()


def test_words_alone_are_timed_without_the_encoding_that_nobody_waits_for(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    legs, slow, space = asked_legs(kb), Slow(), plan_space(open_space("gnn-lm-v1"))
    one, other = (Candidate(architecture_of(plan, space), plan, legs, legs, slow) for plan in (WORDS, DEFAULT_PLAN))
    measured = compare_latency(kb.catalog, one, other, tuple(range(ASKED)))
    assert measured is not None and measured.is_slow
    monkeypatch.setattr(kb.runtime("c").retriever, "_encoder", slow)
    took: dict[str, list[float]] = {plan.digest: [] for plan in (WORDS, DEFAULT_PLAN)}
    for question in legs.questions:
        for plan in (WORDS, DEFAULT_PLAN):
            turns = []
            for _ in range(3):
                began = time.process_time()
                served_keys(kb, question, plan)
                turns.append(time.process_time() - began)
            took[plan.digest].append(min(turns))
    served = np.median(np.array(took[DEFAULT_PLAN.digest]) / np.array(took[WORDS.digest]))
    assert served / 2 < measured.ratio < served * 2
    legs.snapshot.close()
