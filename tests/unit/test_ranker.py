"""The learned ranker: features are what they say, weights are found, and what is learned moves whole documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from retrieval.errors import InvalidInputError
from retrieval.learned.files import files_of
from retrieval.learned.plan_parts import named_parts, require_parts, without_parts
from retrieval.learned.ranker import (
    FEATURES,
    KIND,
    PASSAGES,
    Lookup,
    Ranker,
    Told,
    load_ranker,
    order,
    read_features,
    write_ranker,
)
from retrieval.plan import DEFAULT_PLAN, FusionMethod, Plan
from retrieval.ranking.fusion import RRF_K, Candidates, fuse
from retrieval.types import Labels, Ranking, Vector, Vectors
from search_core.candidate import ranker_name
from search_core.errors import SupervisionError
from search_core.tuning.ranker import Judged, fit_ranker

DIM = 8


@dataclass(frozen=True)
class World:
    """Passages 0 to n - 1; document d has every one whose number is d modulo `documents`."""

    vectors: Vectors
    documents: int
    candidates: Candidates
    question: Vector

    @property
    def lookup(self) -> Lookup:
        return Lookup(lambda labels: self.vectors[labels], lambda label: label % self.documents, self.passages_of)

    def passages_of(self, documents: Sequence[int]) -> list[list[int]]:
        return [self.labels_of(document) if document >= 0 else [] for document in documents]

    def labels_of(self, document: int) -> list[int]:
        return list(range(document, len(self.vectors), self.documents))

    def told(self, corpus: Vector, questions: Vector) -> Told:
        told = read_features(corpus, questions, self.candidates, self.question, self.lookup)
        assert told is not None
        return told

    def ordered(self, ranker: Ranker) -> Candidates:
        return order(ranker, self.candidates, self.question, self.lookup)


def ranking(scores: np.ndarray, labels: np.ndarray) -> Ranking:
    best = np.argsort(-scores, kind="stable")
    return Ranking(labels[best].astype(np.int64), scores[best].astype(np.float32))


def world(seed: int = 0, passages: int = 60, documents: int = 20) -> World:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(passages, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    question = vectors[random.integers(passages)] + 0.3 * random.normal(size=DIM).astype(np.float32)
    question = (question / np.linalg.norm(question)).astype(np.float32)
    with_words = random.permutation(passages)[: passages // 2]
    words = ranking(random.uniform(1, 9, len(with_words)), with_words)
    near = np.argsort(-(vectors @ question))[: passages // 2]
    dense = ranking((vectors @ question)[near], near)
    found = fuse(DEFAULT_PLAN, words, dense, vectors_of=lambda labels: vectors[labels])
    return World(vectors, documents, found, question)


def ranker(**weights: float) -> Ranker:
    zeros, ones = np.zeros(len(FEATURES), np.float32), np.ones(len(FEATURES), np.float32)
    given = np.array([weights.get(name, 0.0) for name in FEATURES], np.float32)
    return Ranker("e", DIM, given, zeros, ones, np.zeros(DIM, np.float32), np.zeros(DIM, np.float32))


class TestFeatures:
    @pytest.mark.parametrize("seed", range(4))
    def test_each_is_what_its_name_says(self, seed: int) -> None:
        one = world(seed)
        corpus, questions = one.vectors.mean(axis=0), one.vectors[:3].mean(axis=0)
        told = one.told(corpus, questions)
        found = list(one.candidates)
        labels = [fused.label for fused in found]
        documents = list(dict.fromkeys(label % one.documents for label in labels))
        assert [labels[place] % one.documents for place in told.first.tolist()] == documents

        whole = {}
        for document in documents:
            whole[document] = one.vectors[one.labels_of(document)[:PASSAGES]].mean(axis=0)
        best = max(f.sparse.score or 0.0 for f in found if f.sparse is not None)
        cosines = one.vectors @ one.question
        most = max(cosines[label] for label in labels)

        def shares(values: list[float]) -> list[float]:
            return [value / max(values) if max(values) > 0 else value for value in values]

        def each(of: Vector) -> list[float]:
            mine = ([x for x in labels if x % one.documents == document] for document in documents)
            return shares([float((one.vectors[passages] @ of).max()) for passages in mine])

        ten = np.mean([whole[document] for document in documents[:10]], axis=0)
        expected = {name: list[float]() for name in FEATURES}
        for document in documents:
            mine = [fused for fused in found if fused.label % one.documents == document]
            bm25 = sorted((f.sparse.score or 0.0 if f.sparse else 0.0 for f in mine), reverse=True) + [0.0]
            near = sorted((float(cosines[f.label]) for f in mine), reverse=True)
            for name, legs in (("words_rank", [f.sparse for f in mine]), ("vectors_rank", [f.dense for f in mine])):
                ranks = [leg.rank for leg in legs if leg is not None and leg.rank is not None]
                expected[name].append(max((RRF_K / (RRF_K + rank) for rank in ranks), default=0.0))
            expected["words"].append(bm25[0] / best)
            expected["words_second"].append(bm25[1] / best)
            expected["vectors"].append(near[0] / most)
            expected["vectors_second"].append((near[1] if len(near) > 1 else 0.0) / most)
            expected["usual"].append(float(one.vectors[mine[0].label] @ corpus))
            expected["length"].append(float(np.log(len(one.labels_of(document)))))
        expected["near_two"] = each(one.vectors[labels[:2]].mean(axis=0))
        expected["near_five"] = each(one.vectors[labels[:5]].mean(axis=0))
        expected["near_ten"] = shares([float(whole[document] @ ten) for document in documents])
        expected["whole"] = shares([float(whole[document] @ one.question) for document in documents])
        expected["apart"] = each(one.question - questions)
        for place, name in enumerate(FEATURES):
            assert np.allclose(told.features[:, place], expected[name], atol=1e-5), name

    def test_a_passage_of_no_known_document_stands_alone(self) -> None:
        one = world()
        zero = np.zeros(DIM, np.float32)
        told = read_features(zero, zero, one.candidates, one.question, one.lookup._replace(document_of=lambda _: None))
        assert told is not None and told.group.tolist() == list(range(len(one.candidates)))
        assert not told.features[:, FEATURES.index("length")].any()


class TestOrder:
    def test_weights_of_zero_change_nothing(self) -> None:
        one = world()
        assert list(one.ordered(ranker())) == list(one.candidates)

    def test_what_a_document_gains_all_its_passages_gain_and_explain(self) -> None:
        one = world(1)
        before = {fused.label: fused.score for fused in one.candidates}
        found = list(one.ordered(ranker(whole=0.4, words=-0.2)))
        assert {fused.label for fused in found} == before.keys()
        assert [fused.score for fused in found] == sorted((fused.score for fused in found), reverse=True)
        gains: dict[int, set[float]] = {}
        for fused in found:
            assert fused.score == pytest.approx(before[fused.label] + fused.ranker)
            gains.setdefault(fused.label % one.documents, set()).add(round(fused.ranker, 12))
        assert all(len(gain) == 1 for gain in gains.values()) and len(set.union(*gains.values())) > 10

    def test_without_vectors_the_order_stays(self) -> None:
        one = world()
        heavy = ranker(length=9.0)
        silent_leg = one.lookup._replace(vectors_of=silent)
        assert order(heavy, one.candidates, one.question, silent_leg) is one.candidates
        assert order(heavy, one.candidates, np.empty(0, np.float32), one.lookup) is one.candidates
        none = fuse(DEFAULT_PLAN, Ranking.empty(), Ranking.empty())
        assert order(heavy, none, one.question, one.lookup) is none


def silent(labels: Labels) -> Vectors:
    """As a dense leg that fell silent."""
    return np.zeros((len(labels), 1), np.float32)


def lists(seed: int, questions: int = 80) -> list[Judged]:
    """What answers has a high third feature; the plan's scores say something too."""
    random = np.random.default_rng(seed)
    judged = []
    for _ in range(questions):
        features = random.normal(size=(30, len(FEATURES)))
        right = int(random.integers(30))
        features[right, 2] += 2.5
        scores = random.uniform(0, 0.8, 30)
        scores[right] += 0.2
        grades = np.zeros(30, np.int64)
        grades[right] = 1
        judged.append(Judged(features, scores, grades))
    return judged


def first_places(judged: list[Judged], weights: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> int:
    scored = (one.scores + (one.features - mean) / deviation @ weights for one in judged)
    return sum(int(np.argmax(scores)) == int(np.argmax(one.grades)) for scores, one in zip(scored, judged, strict=True))


class TestFit:
    def test_what_tells_answers_apart_is_found(self) -> None:
        found = fit_ranker(lists(0), 0.01)
        assert int(np.argmax(np.abs(found.weights))) == 2 and found.weights[2] > 0.05
        new = lists(1)
        zeros = np.zeros(len(FEATURES))
        by_plan = first_places(new, zeros, zeros, zeros + 1)
        assert first_places(new, found.weights, found.mean, found.deviation) > by_plan + 20

    def test_it_is_the_minimum(self) -> None:
        """Each weight moved a little, either way, the loss is greater; computed here anew."""
        judged, penalty, scale = lists(2, 20), 0.02, 20.0
        found = fit_ranker(judged, penalty)

        def loss(weights: np.ndarray, plan: float) -> float:
            told = 0.0
            for one in judged:
                values = (one.features - found.mean) / found.deviation @ weights + plan * one.scores
                told += np.log(np.exp(values - values.max()).sum()) + values.max() - values[one.grades > 0].mean()
            return float(told / len(judged) + penalty * ((weights**2).sum() + (plan / scale - 1) ** 2))

        plans = np.linspace(2.0, 40.0, 3801)
        plan = float(plans[np.argmin([loss(found.weights * plan, plan) for plan in plans])])
        weights = found.weights.astype(np.float64) * plan
        least = loss(weights, plan)
        for place in range(len(weights)):
            for step in (-0.05, 0.05):
                moved = weights.copy()
                moved[place] += step
                assert loss(moved, plan) > least

    def test_the_same_questions_give_the_same_bytes_and_a_strong_penalty_nothing(self) -> None:
        one, other = fit_ranker(lists(3), 0.01), fit_ranker(lists(3), 0.01)
        assert one.weights.tobytes() == other.weights.tobytes()
        assert np.abs(fit_ranker(lists(3), 1e4).weights).max() < 1e-3

    def test_a_document_of_twice_the_grade_counts_twice(self) -> None:
        """As in the metrics: as much as two questions that differ in nothing but which of the two documents answers."""
        one = lists(5, 1)[0]
        graded, first, second = np.zeros(30, np.int64), np.zeros(30, np.int64), np.zeros(30, np.int64)
        graded[[3, 4]], first[3], second[4] = (2, 1), 1, 1
        both = fit_ranker([replace(one, grades=graded)], 0.01)
        apart = fit_ranker([replace(one, grades=first)] * 2 + [replace(one, grades=second)], 0.01)
        assert np.allclose(both.weights, apart.weights, atol=1e-6)

    def test_without_a_right_answer_nothing_is_learned(self) -> None:
        wrong = [replace(one, grades=np.zeros(30, np.int64)) for one in lists(4, 3)]
        with pytest.raises(SupervisionError, match="no judged question has a right answer"):
            fit_ranker(wrong, 0.01)
        assert np.isfinite(fit_ranker([*wrong, lists(4, 3)[0]], 0.01).weights).all()


class TestKept:
    def test_it_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        one = replace(ranker(length=0.5), taught=("a", "b"))
        write_ranker(tmp_path / "r", one)
        read = load_ranker(tmp_path / "r", "e", DIM)
        assert read.taught == one.taught and ranker_name(read) == ranker_name(one)
        assert ranker_name(replace(one, weights=one.weights * 2)) != ranker_name(one)
        with pytest.raises(InvalidInputError, match="encoder"):
            load_ranker(tmp_path / "r", "another", DIM)

    def test_what_weighs_other_features_is_refused(self, tmp_path: Path) -> None:
        write_ranker(tmp_path / "r", ranker())
        described = tmp_path / "r" / files_of(KIND)[1]
        described.write_text(described.read_text().replace('"near_ten"', '"near_nine"'))
        with pytest.raises(InvalidInputError, match="other features than this release reads; tune again"):
            load_ranker(tmp_path / "r", "e", DIM)

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"weights": np.zeros(3, np.float32)}, "weights has shape"),
            ({"corpus": np.zeros(3, np.float32)}, "corpus has shape"),
            ({"mean": np.full(len(FEATURES), np.nan, np.float32)}, "no numbers"),
            ({"deviation": np.zeros(len(FEATURES), np.float32)}, "0 or less"),
        ],
    )
    def test_odd_arrays_are_refused(self, changed: dict[str, np.ndarray], reason: str) -> None:
        with pytest.raises(InvalidInputError, match=reason):
            replace(ranker(), **cast(Any, changed))

    def test_a_plan_names_it(self, tmp_path: Path) -> None:
        plan = Plan(ranker="r1")
        assert Plan.from_json(plan.to_json()) == plan and plan.digest != DEFAULT_PLAN.digest
        assert "ranker" not in DEFAULT_PLAN.to_dict()  # digests of plans without one stay
        assert named_parts(plan) == {"ranker": "r1"} and without_parts(plan) == DEFAULT_PLAN
        with pytest.raises(InvalidInputError, match=r"plan\.ranker"):
            Plan(ranker="../r1")
        with pytest.raises(InvalidInputError, match="r1"):
            require_parts(plan, tmp_path, "e")
        write_ranker(tmp_path / "artifacts" / "r1", ranker())
        require_parts(plan, tmp_path, "e")


def test_legs_tell_ranks_and_scores_of_candidates() -> None:
    words = ranking(np.array([5.0, 3.0]), np.array([7, 4]))
    found = fuse(replace(DEFAULT_PLAN, fusion=FusionMethod.CONVEX), words, ranking(np.array([0.5]), np.array([9])))
    labels, _ = found.scored()
    ranks, scores = found.in_leg(0)
    told = dict(zip(labels.tolist(), zip(ranks.tolist(), scores.tolist(), strict=True), strict=True))
    assert told == {7: (RRF_K / (RRF_K + 1), 5.0), 4: (RRF_K / (RRF_K + 2), 3.0), 9: (0.0, 0.0)}
