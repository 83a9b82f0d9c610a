"""Sealed questions wear out: a run knows how many tested on them before, and the gate asks for more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.catalog import Catalog, Collection, sqlite_url
from retrieval.catalog.experiments import ExperimentRecord, ExperimentState
from retrieval.plan import DEFAULT_PLAN
from search_core.artifact.card import write_answer_card, write_card
from search_core.log.run_start import begin
from search_core.proof.earlier_tests import begin_test, notes_of
from search_core.proof.gate import LEVEL, judge
from search_core.request import Request, without_questions

SEALED = [f"question {at}" for at in range(40)]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(sqlite_url(tmp_path / "c.db"))
    yield opened
    opened.close()


@pytest.fixture
def collection(catalog: Catalog) -> Collection:
    return catalog.collections.create("c", "hash", "fp")


def begun(
    catalog: Catalog, collection: Collection, sealed: Sequence[str] = SEALED, request: Request | None = None
) -> ExperimentRecord:
    """A run that searches."""
    record = catalog.experiments.create(collection, (request or Request()).to_dict())
    begin(catalog.experiments, record, ["corpus"], lambda: 0, sealed)
    return record


def earlier(catalog: Catalog, collection: Collection, record: ExperimentRecord) -> int:
    """How many tested on the run's sealed questions before, now that it tests."""
    return begin_test(catalog.experiments, collection, record)


def finished(catalog: Catalog, collection: Collection, sealed: Sequence[str] = SEALED, **more: Any) -> int:
    """The same of a run from its beginning to its end."""
    result = {"p_value": more.pop("p_value", 0.3)}
    state = more.pop("state", ExperimentState.FINISHED)
    record = begun(catalog, collection, sealed, Request(**more))
    tests = earlier(catalog, collection, record)
    catalog.experiments.finish(record.id, state, result)
    return tests


def test_the_same_candidate_on_the_same_questions_is_one_test(catalog: Catalog, collection: Collection) -> None:
    """Who looks first, and promotes by another run, has tested one candidate."""

    def told(plan: str, sealed: Sequence[str] = SEALED, **more: Any) -> int:
        record = begun(catalog, collection, sealed)
        about: dict[str, Any] = {
            "p_value": 0.3,
            "plan": {"digest": plan},
            "incumbent": {"digest": "serves"},
            "metric": "ndcg@10",
        } | more
        own = () if about.get("model") else (plan, about["incumbent"]["digest"], about["metric"])
        tests = begin_test(catalog.experiments, collection, record, own)
        catalog.experiments.finish(record.id, ExperimentState.FINISHED, about)
        return tests

    assert [told("a"), told("a"), told("a")] == [0, 0, 0]
    assert [told("b"), told("a"), told("b")] == [1, 1, 1]
    assert told("a", metric="recall@10") == 2  # has another p
    assert told("a", incumbent={"digest": "another"}) == 3
    assert told("a", SEALED[:30]) == 4  # some of the questions
    assert [told("a", model="artifacts/encoder-1"), told("a", model="artifacts/encoder-1")] == [5, 6]


def test_every_run_that_tested_on_the_same_questions_counts(catalog: Catalog, collection: Collection) -> None:
    assert [finished(catalog, collection) for _ in range(3)] == [0, 1, 2]
    assert finished(catalog, collection, [text.upper() for text in reversed(SEALED)]) == 3  # the same words
    assert finished(catalog, collection, [*SEALED[:10], *(f"new {at}" for at in range(30))]) == 4  # a quarter
    assert finished(catalog, collection, [*SEALED[:9], *(f"newer {at}" for at in range(31))]) == 0
    assert finished(catalog, catalog.collections.create("other", "hash", "fp")) == 0


@pytest.mark.parametrize(
    "kind",
    [
        {"p_value": 1.0},  # nothing was better, so nothing was tested
        {"state": ExperimentState.FAILED},
        {"state": ExperimentState.STOPPED},
        {"against": DEFAULT_PLAN.to_dict()},  # repeats another
        {"task": "answer"},  # tests who answers, not what is found
    ],
)
def test_what_tested_no_other_candidate_does_not_count(
    kind: dict[str, Any], catalog: Catalog, collection: Collection
) -> None:
    finished(catalog, collection, **kind)
    assert finished(catalog, collection) == 0


def test_made_questions_prove_nothing_and_wear_out_nothing(catalog: Catalog, collection: Collection) -> None:
    assert [finished(catalog, collection, []) for _ in range(2)] == [0, 0]


def test_runs_at_the_same_time_count_each_other(catalog: Catalog, collection: Collection) -> None:
    """Whoever tests while another is between its test and its end, or after that, though it began before."""
    runs = [begun(catalog, collection) for _ in range(4)]
    assert [earlier(catalog, collection, record) for record in runs[:2]] == [0, 1]
    catalog.experiments.finish(runs[0].id, ExperimentState.FINISHED, {"p_value": 0.3})
    catalog.experiments.finish(runs[1].id, ExperimentState.FINISHED, {"p_value": 1.0})  # it had nothing to test
    assert earlier(catalog, collection, runs[2]) == 1  # the fourth still searches


def test_a_run_that_goes_on_or_is_repeated_is_held_to_its_own_level(catalog: Catalog, collection: Collection) -> None:
    finished(catalog, collection)
    name = begun(catalog, collection).id
    assert earlier(catalog, collection, catalog.experiments.get(collection, name)) == 1
    finished(catalog, collection)
    record = catalog.experiments.get(collection, name)
    begin(catalog.experiments, record, ["corpus"], lambda: 0, SEALED)
    assert earlier(catalog, collection, record) == 1
    replay = Request.from_dict(record.request | {"against": DEFAULT_PLAN.to_dict()})
    assert earlier(catalog, collection, begun(catalog, collection, request=replay)) == 1
    begin(catalog.experiments, record, ["another corpus"], lambda: 0, SEALED)
    assert earlier(catalog, collection, record) == 2
    assert set(record.request) - set(without_questions(record.request)) >= {"sealed_hashes"}


def test_it_is_said_how_many_there_were() -> None:
    (note,) = notes_of(1)
    assert "1 earlier run tested on these sealed questions" in note and "below 0.025 instead of 0.05" in note
    assert notes_of(0) == ()


def doubtful() -> Any:
    """Scores before and after whose difference has p between 0.025 and 0.05."""
    before = np.zeros(40)
    return before, np.random.default_rng(3).normal(0, 0.1, 40) + 0.044


def test_the_gate_divides_its_level_by_the_tests_so_far() -> None:
    before, after = doubtful()
    first, second = (judge(before, after, [()] * 40, seed=0, earlier_tests=tests) for tests in (0, 1))
    assert LEVEL / 2 < first.p_value == second.p_value < LEVEL
    assert (first.passes, first.level) == (True, LEVEL)
    assert (second.passes, second.level, second.to_dict()["level"]) == (False, LEVEL / 2, LEVEL / 2)
    assert "expected below 0.025" in second.reasons[0]
    assert judge(before, before + 0.1, [()] * 40, seed=0, earlier_tests=99).passes  # what is sure still is


def test_cards_say_that_the_questions_were_used() -> None:
    before, after = doubtful()
    manifest: Any = {"metric": "ndcg@10", "supervision": {"origin": "here", "questions": 100}, "trials": 1}
    manifest |= {"seq": 1, "data_sha256": "0" * 12, "seed": 0, "encoder": "hash", "encoder_fingerprint": "f" * 12}
    manifest |= {"version": "1", "seconds": 1.0, "cpu_seconds": 1.0}
    for tests, said in ((0, False), (2, True)):
        verdict = judge(before, after, [()] * 40, seed=0, earlier_tests=tests)
        cards = (
            write_card("c", "It searches.", DEFAULT_PLAN, verdict, (), manifest),
            write_answer_card("c", "sentences", 0, verdict, (), ()),
        )
        for card in cards:
            assert ("2 earlier runs tested on these sealed questions, so p had to be below 0.0167." in card) is said
