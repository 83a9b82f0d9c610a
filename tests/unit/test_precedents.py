"""Earlier questions: the estimate is the formula, and only what exists and may be seen is lifted by it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pyroaring import BitMap64

from retrieval.errors import InvalidInputError
from retrieval.learned.files import files_of
from retrieval.learned.plan_parts import named_parts, require_parts, without_parts
from retrieval.learned.precedents import (
    BREADTH,
    KIND,
    MAX_LIFTED,
    MIN_SHARE,
    NEIGHBOURS,
    PASSAGES,
    STRANGE,
    UNFOUND,
    Precedent,
    Precedents,
    lift,
    load_precedents,
    write_precedents,
)
from retrieval.plan import DEFAULT_PLAN, FusionMethod, Plan, PrecedentStep
from retrieval.ranking.fusion import Candidates, fuse
from retrieval.types import Ranking, Vectors

DIM = 8
STEP = PrecedentStep("any", 0.5)
NO_VECTOR = np.empty(0, np.float32)


def units(*rows: NDArray[np.float64] | list[float]) -> Vectors:
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def drawn(count: int, seed: int = 0) -> Vectors:
    return units(*np.random.default_rng(seed).normal(size=(count, DIM)))


def candidates(scores: dict[int, float]) -> Candidates:
    ranked = sorted(scores, key=lambda label: (-scores[label], label))
    ranking = Ranking(np.array(ranked, np.int64), np.array([scores[label] for label in ranked], np.float32))
    return fuse(replace(DEFAULT_PLAN, fusion=FusionMethod.SPARSE, feedback=0.0), ranking, Ranking.empty())


class TestNear:
    def test_the_share_is_the_weighted_mean_with_one_strange_question_that_nothing_answers(self) -> None:
        vectors, answered = drawn(40), [{f"d{n % 7}", f"d{n % 3}"} for n in range(40)]
        question = drawn(1, seed=1)[0]
        cosines = vectors @ question
        weights = np.exp((cosines.astype(np.float64) - 1) / BREADTH)
        whole = weights.sum() + np.exp((STRANGE - 1) / BREADTH)
        found = {one.key: one for one in Precedents.of("f", vectors, answered).near(question)}
        assert found
        for key, one in found.items():
            mine = [n for n, keys in enumerate(answered) if key in keys]
            assert one.share == pytest.approx(weights[mine].sum() / whole, abs=MIN_SHARE)
            assert one.nearest == pytest.approx(cosines[mine].max(), abs=1e-6)
        shares = [one.share for one in Precedents.of("f", vectors, answered).near(question)]
        assert shares == sorted(shares, reverse=True)

    def test_far_from_all_that_was_asked_nothing_is_said(self) -> None:
        remembered = Precedents.of("f", units([1.0] + [0.0] * 7), [{"d"}])
        assert remembered.near(units([0.0, 1.0] + [0.0] * 6)[0]) == ()
        [same] = remembered.near(remembered.vectors[0])
        assert same.share > 0.99 and same.nearest == pytest.approx(1.0)

    def test_a_question_does_not_answer_itself_where_it_is_evaluated(self) -> None:
        close = units([1.0, 0.05] + [0.0] * 6)[0]
        remembered = Precedents.of("f", units([1.0] + [0.0] * 7, [1.0, 0.3] + [0.0] * 6), [{"same"}, {"other"}])
        assert float(remembered.vectors[0] @ close) > 0.99
        assert {one.key for one in remembered.near(close)} == {"same", "other"}
        assert {one.key for one in remembered.near(close, without=[0])} == {"other"}

    def test_many_questions_and_documents_are_cut_to_the_likeliest(self) -> None:
        base = np.array([1.0] + [0.0] * 7)
        vectors = units(*(base + 0.01 * np.random.default_rng(n).normal(size=DIM) for n in range(3 * NEIGHBOURS)))
        answered = [{f"d{n}", f"e{n}"} for n in range(len(vectors))]
        found = Precedents.of("f", vectors, answered).near(units(base)[0])
        assert 0 < len(found) <= MAX_LIFTED
        nearest = np.argsort(-(vectors @ units(base)[0]))[:NEIGHBOURS]
        assert {int(one.key[1:]) for one in found} <= set(nearest.tolist())

    def test_without_questions_or_answers_nothing_is_said(self) -> None:
        question = drawn(1)[0]
        assert Precedents.of("f", np.empty((0, DIM), np.float32), []).near(question) == ()
        assert Precedents.of("f", drawn(3), [set(), set(), set()]).near(question) == ()


class TestLift:
    CHUNKS = {"a": BitMap64([1]), "b": BitMap64([2, 3]), "c": BitMap64([4, 5])}

    def lifted(self, *precedents: Precedent, allowed: BitMap64 | None = None, step: PrecedentStep = STEP) -> Candidates:
        vectors = dict(zip(range(1, 6), drawn(5), strict=True))
        return lift(
            step,
            candidates({1: 1.0, 2: 0.5, 3: 0.25}),
            precedents,
            lambda key: self.CHUNKS.get(key, BitMap64()),
            vectors[5],
            lambda labels: np.stack([vectors[label] for label in labels.tolist()]),
            allowed,
        )

    def test_a_share_of_the_range_of_scores_is_gained_by_every_passage_that_was_found(self) -> None:
        found = {one.label: one for one in self.lifted(Precedent("b", 0.8, 0.9))}
        assert [found[label].score for label in (1, 2, 3)] == pytest.approx([1.0, 0.5 + 0.4, 0.25 + 0.4])
        part = found[3].precedent
        assert part is not None and (part.share, part.nearest) == (0.8, 0.9)
        assert part.contribution == pytest.approx(0.4) and found[1].precedent is None

    def test_of_a_document_that_no_leg_found_the_nearest_passage_joins_at_the_lowest_score(self) -> None:
        found = {one.label: one for one in self.lifted(Precedent("c", 1.0, 0.9))}
        assert set(found) == {1, 2, 3, 5}, "passage 5 is the question itself"
        assert found[5].score == pytest.approx(0.25 + 0.5) and found[5].sparse is None

    def test_what_may_not_be_seen_or_is_gone_is_not_lifted(self) -> None:
        before = [(one.label, one.score) for one in candidates({1: 1.0, 2: 0.5, 3: 0.25})]
        found = self.lifted(Precedent("c", 1.0, 0.9), Precedent("gone", 1.0, 0.9), allowed=BitMap64([1, 2, 3]))
        assert [(one.label, one.score) for one in found] == before
        assert 4 in {one.label for one in self.lifted(Precedent("c", 1.0, 0.9), allowed=BitMap64([1, 2, 3, 4]))}

    def test_a_huge_document_that_no_leg_found_costs_a_few_passages(self) -> None:
        asked: list[int] = []

        def vectors_of(labels: NDArray[np.int64]) -> Vectors:
            asked.extend(labels.tolist())
            return np.zeros((len(labels), DIM), np.float32)

        many = [Precedent(f"d{n}", 0.5, 0.9) for n in range(MAX_LIFTED)]
        found = lift(
            STEP,
            candidates({1: 1.0}),
            many,
            lambda key: BitMap64(range(int(key[1:]) * 10_000 + 2, int(key[1:]) * 10_000 + 9_000)),
            drawn(1)[0],
            vectors_of,
        )
        assert len(asked) == UNFOUND * PASSAGES and len(found) == 1 + UNFOUND

    def test_no_strength_changes_nothing(self) -> None:
        found = self.lifted(Precedent("b", 1, 1), step=replace(STEP, strength=0))
        assert found and all(one.precedent is None for one in found)

    def test_where_no_leg_found_anything_earlier_answers_are_found(self) -> None:
        found = lift(STEP, candidates({}), [Precedent("b", 1.0, 0.9)], lambda key: BitMap64([2, 3]), NO_VECTOR, None)
        assert [one.label for one in found] == [2]

    def test_a_silent_dense_leg_gives_the_first_passage(self) -> None:
        def silent(labels: NDArray[np.int64]) -> Vectors:
            return np.zeros((len(labels), 1), np.float32)

        near, question = [Precedent("b", 1.0, 0.9)], drawn(1)[0]
        found = lift(STEP, candidates({9: 1.0}), near, lambda key: BitMap64([2, 3]), question, silent)
        assert {one.label for one in found} == {9, 2}


class TestTheFolder:
    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        kept = Precedents.of("f", drawn(5), [{"a"}, {"b", "页"}, set(), {"a"}, {"c"}])
        write_precedents(tmp_path / "p", kept)
        read = load_precedents(tmp_path / "p", "f", DIM)
        question = drawn(1, seed=3)[0]
        assert read.documents == ("a", "b", "c", "页") and read.near(question) == kept.near(question)
        told = json.loads((tmp_path / "p" / files_of(KIND)[1]).read_text())
        assert (told["questions"], told["answering"]) == (5, 4)

    @pytest.mark.parametrize(("encoder", "dim"), [("g", DIM), ("f", DIM + 1)])
    def test_of_another_encoder_they_are_refused(self, tmp_path: Path, encoder: str, dim: int) -> None:
        write_precedents(tmp_path / "p", Precedents.of("f", drawn(2), [{"a"}, {"b"}]))
        with pytest.raises(InvalidInputError, match="precedents p was learned for encoder f"):
            load_precedents(tmp_path / "p", encoder, dim)

    @pytest.mark.parametrize("dim", [DIM + 1, None, "8"])
    def test_a_description_of_other_vectors_is_refused(self, tmp_path: Path, dim: object) -> None:
        write_precedents(tmp_path / "p", Precedents.of("f", drawn(2), [{"a"}, {"b"}]))
        described = tmp_path / "p" / files_of(KIND)[1]
        described.write_text(json.dumps(json.loads(described.read_text()) | {"dim": dim}))
        with pytest.raises(InvalidInputError, match="dim"):
            load_precedents(tmp_path / "p", "f", None)

    def test_altered_or_missing_files_are_refused(self, tmp_path: Path) -> None:
        write_precedents(tmp_path / "p", Precedents.of("f", drawn(2), [{"a"}, {"b"}]))
        arrays = tmp_path / "p" / files_of(KIND)[0]
        arrays.write_bytes(arrays.read_bytes()[:-1] + b"?")
        with pytest.raises(InvalidInputError, match="precedents p"):
            load_precedents(tmp_path / "p", "f", None)
        with pytest.raises(InvalidInputError, match="precedents q cannot be read: No such file"):
            load_precedents(tmp_path / "q", "f", None)

    @pytest.mark.parametrize(
        ("starts", "places"),
        [([0, 1], [0, 0]), ([0, 1, 3], [0, 0]), ([0, 2, 1], [0, 0]), ([0, 1, 2], [0, 7]), ([1, 1, 2], [0, 0])],
    )
    def test_arrays_that_do_not_fit_are_refused(self, starts: list[int], places: list[int]) -> None:
        with pytest.raises(InvalidInputError, match="do not fit"):
            Precedents("f", drawn(2), np.array(starts), np.array(places), ("a",))


class TestThePlan:
    def test_it_names_them_and_plans_without_are_as_they_were(self, tmp_path: Path) -> None:
        plan = replace(DEFAULT_PLAN, precedents=STEP)
        assert Plan.from_json(plan.to_json()) == plan and plan.digest != DEFAULT_PLAN.digest
        assert "precedents" not in DEFAULT_PLAN.to_dict()
        assert named_parts(plan) == {"precedents": "any"} and without_parts(plan) == DEFAULT_PLAN
        require_parts(DEFAULT_PLAN, tmp_path, "f")
        with pytest.raises(InvalidInputError, match="precedents any cannot be read"):
            require_parts(plan, tmp_path, "f")

    @pytest.mark.parametrize(
        "value", ["p", {}, {"name": "../p"}, {"name": "p", "strength": 2}, {"name": "p", "depth": 1}, {"strength": 1}]
    )
    def test_values_that_make_no_sense_are_refused(self, value: object) -> None:
        with pytest.raises(InvalidInputError, match=r"plan\.precedents"):
            Plan.from_dict({"precedents": value})
