"""The race of answer models and its questions: it ends well at any moment, and its halves can prove something."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from retrieval.answer.choice import AnswerChoice
from retrieval.answer.types import Answer, AnswerEvent, Ask, FinalAnswer
from retrieval.catalog.eval_sets import EvalQuery
from search_core.answering.answer_task import _reasons
from search_core.answering.models import AnswerModel
from search_core.answering.prices import Prices
from search_core.answering.questions import MIN_SEALED, AskedQuestion, kept_together, shared_documents, split
from search_core.answering.race import Entry, entered, race
from search_core.answering.scoring import Scored
from search_core.clock import Clock
from search_core.errors import SupervisionError
from search_core.proof.gate import judge
from search_core.request import Request
from search_core.time_decisions import TimeDecisions
from search_core.trainer import AutoModelTrainer

SERVING, OTHER = AnswerChoice("reader", "serving"), AnswerChoice("extractive")
QUESTIONS = [AskedQuestion(str(at), f"q{at}", ("x",), (), str(at)) for at in range(20)]


@dataclass
class Stopping:
    """Always answers wrongly, and stops the clock at its `last` question."""

    clock: Clock
    last: int
    name: str = "stopping"
    closed: int = 0

    def stream(self, ask: Ask) -> Iterator[AnswerEvent]:
        self.last -= 1
        if self.last == 0:
            self.clock.stop()
        yield FinalAnswer(Answer("y", (), 0.5))

    def close(self) -> None:
        self.closed += 1


@dataclass
class Two:
    """Who serves, which is the dearer one, and one other; the first stops the clock at its `last` question."""

    clock: Clock
    last: int
    opened: list[Stopping] = field(default_factory=list)
    replies: Any = field(
        default_factory=lambda: SimpleNamespace(saved_seconds=0.0, prompt_tokens=0.0, completion_tokens=0.0)
    )
    prices: Prices = field(default_factory=lambda: Prices(0, 0, 0))

    def of(self, choice: AnswerChoice) -> AnswerModel:
        def opened() -> Stopping:
            self.opened.append(Stopping(self.clock, self.last if choice == SERVING else 0))
            return self.opened[-1]

        return AnswerModel(choice, opened)

    def all(self) -> list[AnswerModel]:
        return [self.of(OTHER), self.of(SERVING)]


def by(clock: Clock, known: Mapping[str, Any] = MappingProxyType({})) -> TimeDecisions:
    return TimeDecisions(clock, known, lambda made: None)


def run(last: int, told: Any = lambda entry, count: None) -> Any:
    clock = Clock(100)
    models: Any = Two(clock, last)
    return race(entered(models, SERVING), models, QUESTIONS, by(clock), told)


@pytest.mark.parametrize("last", [1, 3])
def test_a_race_that_is_stopped_at_its_first_model_leaves_who_serves(last: int) -> None:
    """The other one is cheaper, and as good on no questions at all."""
    means: list[tuple[AnswerChoice, float]] = []

    def told(entry: Entry, count: int) -> None:
        means.append((entry.choice, entry.mean(count)))

    standing = run(last, told)
    assert standing.questions == 0
    assert standing.best is standing.incumbent and standing.best.choice == SERVING
    assert means == [(SERVING, 0.0)], "who was asked nothing is no trial"


def test_a_race_that_is_stopped_later_compares_what_both_were_asked() -> None:
    standing = run(12)
    assert standing.questions == 8
    assert standing.best.choice == OTHER, "the cheaper one of two that are equally good"
    assert not any(math.isnan(entry.mean(count)) for entry in standing.entries for count in (0, 8))


@pytest.mark.parametrize(("bound_ms", "best", "too_slow"), [(None, "slow", 0), (500.0, "slow", 0), (400.0, "quick", 1)])
def test_what_takes_longer_than_the_bound_is_not_chosen(
    bound_ms: float | None, best: str, too_slow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best one takes half a second; it is asked no more than the first questions where that is too long."""
    worth = {"serving": (0.1, 5.0), "slow": (0.9, 500.0), "quick": (0.5, 20.0)}  # quality, milliseconds

    def scored(name: Any, *about: Any) -> Scored:
        quality, milliseconds = worth[name]
        return Scored(quality, 0.0, 0.0, 0.0, False, False, milliseconds)

    monkeypatch.setattr("search_core.answering.race.score", scored)
    entries = [Entry(AnswerModel(AnswerChoice("reader", name), partial(cast("Any", str), name))) for name in worth]
    models: Any = SimpleNamespace(prices=Prices(0, 0, 0), replies=None)
    standing = race(entries, models, QUESTIONS, by(Clock(100)), lambda entry, count: None, bound_ms)
    assert (standing.best.choice.reader, standing.too_slow) == (best, too_slow)
    slow = next(entry for entry in entries if entry.choice.reader == "slow")
    assert len(slow.scored) == (8 if too_slow else 20)


def test_a_race_that_repeats_another_is_decided_as_that_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was too slow then is so now, and the time ends it where it did then."""
    took, clock = {"serving": 5.0, "slow": 500.0, "quick": 20.0}, Clock(100)
    worth = {"serving": 0.1, "slow": 0.9, "quick": 0.5}
    stopped_at: dict[str, int] = {}
    asked: list[str] = []

    def scored(name: Any, *about: Any) -> Scored:
        asked.append(name)
        if stopped_at.get(name) == asked.count(name):
            clock.stop()
        return Scored(worth[name], 0.0, 0.0, 0.0, False, False, took[name])

    def raced(timed: TimeDecisions) -> tuple[str, int, int]:
        asked.clear()
        entries = [Entry(AnswerModel(AnswerChoice("reader", name), partial(cast("Any", str), name))) for name in worth]
        models: Any = SimpleNamespace(prices=Prices(0, 0, 0), replies=None)
        standing = race(entries, models, QUESTIONS, timed, lambda entry, count: None, 400.0)
        return standing.best.choice.reader, standing.questions, len(asked)

    monkeypatch.setattr("search_core.answering.race.score", scored)
    whole, short = by(clock), by(clock)
    found = raced(whole)
    assert found[:2] == ("quick", 20)
    stopped_at["quick"] = 12
    assert raced(short)[:2] == ("quick", 12)
    stopped_at.clear()
    took |= {"slow": 50.0, "quick": 5_000.0}
    for first, expected in ((whole, found), (short, ("quick", 12, 40))):
        assert raced(by(Clock(100), first.to_dict())) == expected
    assert raced(by(Clock(100)))[0] == "slow"


@pytest.mark.parametrize(("groups", "best"), [(100, "reader"), (2, "extractive")])
def test_answers_to_the_same_questions_are_compared_question_by_question(
    groups: int, best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hard questions are hard for all: the means are known within 0.04 alone, their difference within 0.01.

    Where all questions are about two documents, of which one gains and the other loses, it is known within 0.05.
    """
    hard, draw = np.arange(100) % 2, np.random.default_rng(0)
    noise = draw.normal(0.0, 0.1, 100)
    gain = 0.035 + (noise - noise.mean() if groups == 100 else np.where(np.arange(100) % 4 < 2, 0.05, -0.05))
    worth = {"extractive": 0.9 - 0.8 * hard}
    worth["reader"] = worth["extractive"] + gain
    assert np.std(worth["reader"]) / 10 == pytest.approx(0.04, abs=0.002)
    assert worth["reader"].mean() - worth["extractive"].mean() == pytest.approx(0.035)
    asked = [AskedQuestion(f"{at}", f"q{at}", ("x",), (), f"{at % 4 // 2 if groups == 2 else at}") for at in range(100)]

    def scored(name: Any, question: AskedQuestion, *about: Any) -> Scored:
        return Scored(float(worth[name][int(question.key)]), 0.0, 0.0, 0.0, False, False, 1.0)

    monkeypatch.setattr("search_core.answering.race.score", scored)
    choices = {"extractive": OTHER, "reader": AnswerChoice("reader", "small")}
    entries = [Entry(AnswerModel(choice, partial(cast("Any", str), name))) for name, choice in choices.items()]
    models: Any = SimpleNamespace(prices=Prices(0, 0, 0), replies=None)
    standing = race(entries, models, asked, by(Clock(100)), lambda entry, count: None)
    assert (standing.questions, standing.best.choice) == (100, choices[best])


def test_the_sealed_questions_hold_it_to_the_bound_too() -> None:
    trainer = AutoModelTrainer.of(Request("answer", latency_ms=400))
    verdict = judge(np.zeros(20), np.linspace(0.5, 1, 20), [()] * 20, seed=0)
    assert verdict.passes
    run: Any = SimpleNamespace(spec=trainer.spec)
    standing: Any = SimpleNamespace(best="other", incumbent="serving")
    answers = {took: [Scored(1.0, 1.0, 1.0, 1.0, False, False, took)] * 20 for took in (300.0, 500.0)}
    assert _reasons(run, standing, verdict, answers[300.0], Prices(0, 0, 0)) == ()
    (reason,) = _reasons(run, standing, verdict, answers[500.0], Prices(0, 0, 0))
    assert reason == "an answer would take 500 ms; the task says at most 400 ms"


def asked(sizes: Sequence[int]) -> list[AskedQuestion]:
    return [
        AskedQuestion(f"{group}-{at}", f"q{group}-{at}", ("x",), (), f"document {group}")
        for group, size in enumerate(sizes)
        for at in range(size)
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sizes", [(15, 5), (5, 15), (8, 7, 5), (380, *[1] * 20), (1,) * 40, (30, 20, 20, 10, 10, 10)])
def test_enough_is_sealed_whatever_the_documents_are(sizes: tuple[int, ...], seed: int) -> None:
    found = split(asked(sizes), "here", seed)
    assert len(found.sealed) >= MIN_SEALED
    assert {one.group for one in found.sealed}.isdisjoint(one.group for one in found.choose)
    assert sorted(one.key for one in (*found.sealed, *found.choose)) == sorted(one.key for one in asked(sizes))
    if max(sizes) <= sum(sizes) / 2:
        assert len(found.sealed) - len(found.choose) <= min(sizes)


def test_one_document_cannot_be_split() -> None:
    with pytest.raises(SupervisionError, match="40 questions with known answers, in 1 document,"):
        split(asked((40,)), "here", 0)


def test_own_questions_of_the_same_words_stay_together() -> None:
    """Also where one of them is about a document, and the others say of none."""
    questions = [
        EvalQuery("a", "How long is it?", {"d": 1}, ("24",)),
        EvalQuery("b", "how  long is it?", {}, ("24",)),
        EvalQuery("c", "Who signs?", {"d": 1, "e": 0}, ("Anna",)),
        EvalQuery("d", "Who pays?", {}, ("Ben",)),
    ]
    assert kept_together(questions) == [[0, 1, 2], [3]]


def test_own_questions_stay_together_by_every_document_that_answers_them() -> None:
    pairs = [EvalQuery(f"{at}", f"q{at}", {f"a{at}": 1, f"z{at // 2}": 2, "refused": 0}, ("x",)) for at in range(6)]
    assert kept_together(pairs) == [[0, 1], [2, 3], [4, 5]]


def test_questions_that_documents_chain_are_told_where_halves_share_one() -> None:
    """Each document answers two questions: all hang together, and only the first document of each can be kept."""
    chain = [EvalQuery(f"{at:02}", f"q{at}", {f"d{at:02}": 1, f"d{at + 1:02}": 1}, ("x",)) for at in range(24)]
    groups = kept_together(chain)
    assert groups == [[at] for at in range(24)]
    found = split([AskedQuestion(one.id, one.text, ("x",), (), one.id) for one in chain], "here", 0)
    (note,) = shared_documents(found, chain)
    assert "of the sealed questions share a relevant document" in note
    apart = [replace(one, judgements={one.id: 1}) for one in chain]
    assert shared_documents(found, apart) == ()
