from __future__ import annotations

import hashlib
import threading
import time

import numpy as np
import pytest

from retrieval.evaluation.metrics import randomisation_test
from retrieval.search.request_time import LATENCY_RATIO
from search_core.proof.gate import Latency, judge
from search_core.proof.latency import MAX_QUESTIONS, QUESTIONS, TURNS, time_pairs


def test_what_changes_nothing_is_never_better() -> None:
    values = np.random.default_rng(0).random(200)
    verdict = judge(values, values.copy(), [("english",)] * 200, seed=0)
    assert (verdict.lift, verdict.p_value, verdict.passes) == (0.0, 1.0, False)


def test_a_clear_gain_passes_and_its_p_value_is_the_tests() -> None:
    generator = np.random.default_rng(1)
    before = generator.random(200) * 0.5
    after = before + generator.normal(0.1, 0.1, 200)
    verdict = judge(before, after, [()] * 200, seed=3)
    assert verdict.passes
    assert verdict.low < verdict.lift < verdict.high
    assert verdict.p_value == randomisation_test(after, before, seed=3)


def test_chance_passes_about_as_often_as_the_level_says() -> None:
    generator = np.random.default_rng(2)
    passed = 0
    for seed in range(40):
        before = generator.random(60)
        passed += judge(before, before + generator.normal(0, 0.2, 60), [()] * 60, seed=seed).passes
    assert passed <= 5  # one side of a 5 % test: one of 40 is expected


def test_what_is_asked_again_proves_no_more() -> None:
    generator = np.random.default_rng(5)
    before, after = generator.random(40), generator.random(40)
    kinds = [("english",)] * 25 + [("chinese",)] * 15
    alone = judge(before, after, kinds, seed=1)
    copies = np.repeat(np.arange(40), 3)
    texts = [f"{'Question' if at % 2 else 'question '} {place}" for at, place in enumerate(copies)]
    repeated = judge(before[copies], after[copies], [kinds[at] for at in copies], seed=1, texts=texts)
    for name in ("lift", "low", "high", "p_value"):
        assert getattr(repeated, name) == pytest.approx(getattr(alone, name))
    assert (repeated.questions, [one.questions for one in repeated.strata]) == (40, [15, 25])
    naive = judge(before[copies], after[copies], [kinds[at] for at in copies], seed=1)
    assert naive.p_value < alone.p_value


def test_questions_about_one_document_are_no_independent_evidence() -> None:
    """Differences that documents cause, five questions each, without any gain: a false alarm is as rare as it says."""
    generator = np.random.default_rng(11)
    naive = together = 0
    for seed in range(60):
        before = generator.random(100) * 0.2 + 0.4
        after = before + np.repeat(generator.normal(0, 0.1, 20), 5) + generator.normal(0, 0.02, 100)
        links = [[f"document {place // 5}"] for place in range(100)]
        naive += judge(before, after, [()] * 100, seed=seed).p_value < 0.05
        together += judge(before, after, [()] * 100, seed=seed, links=links).p_value < 0.05
    assert together <= 7 < 15 < naive  # three of 60 are expected


def test_links_of_every_question_alone_change_nothing_and_chains_are_not_one() -> None:
    generator = np.random.default_rng(4)
    before, after, kinds = generator.random(40), generator.random(40), [("english",)] * 25 + [("chinese",)] * 15
    alone = judge(before, after, kinds, seed=1)
    assert judge(before, after, kinds, seed=1, links=[[f"d{place}"] for place in range(40)]) == alone
    assert judge(before, after, kinds, seed=1, links=[[f"d{place}", f"d{place + 1}"] for place in range(40)]) == alone


def test_a_kind_of_question_that_becomes_worse_stops_a_gain() -> None:
    kinds = [("english",)] * 150 + [("chinese",)] * 50
    before = np.full(200, 0.5)
    after = before + np.concatenate((np.linspace(0.1, 0.3, 150), np.linspace(-0.2, -0.1, 50)))
    verdict = judge(before, after, kinds, seed=0)
    assert verdict.lift > 0
    assert [reason for reason in verdict.reasons if "chinese" in reason]


def test_a_slow_plan_does_not_serve() -> None:
    before, after = np.zeros(50), np.linspace(0.5, 1, 50)
    assert judge(before, after, [()] * 50, seed=0, latency=latency_of(2.5)).passes
    assert "times as long" in judge(before, after, [()] * 50, seed=0, latency=latency_of(2.8)).reasons[0]
    assert "at most 2" in judge(before, after, [()] * 50, seed=0, latency=latency_of(2.5), bound_ms=2.0).reasons[0]


def latency_of(after_ms: float) -> Latency:
    return Latency(2.0, after_ms, after_ms / 2 - 0.1, after_ms / 2 + 0.1)


class Weather:
    """A processor clock on a busy machine: a search takes what it takes, or longer, in spells that last a while."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._slow = False
        self.now = 0.0
        self.searches = 0

    def __call__(self) -> float:
        return self.now

    def search(self, seconds: float) -> None:
        self.searches += 1
        if self._random.random() < 0.1:
            self._slow = not self._slow
        self.now += seconds * self._random.uniform(1.0, 3.0 if self._slow else 1.1)


def timed(ratio: float, seed: int) -> tuple[Latency, Weather]:
    """Searches whose questions differ tenfold, the newer plan `ratio` times as long."""
    weather = Weather(seed)
    questions = np.random.default_rng(seed).uniform(0.001, 0.01, 200)
    pairs = ((lambda s=s: weather.search(s), lambda s=s: weather.search(ratio * s)) for s in questions)
    return time_pairs(pairs, weather), weather


def test_weather_neither_refuses_a_quick_plan_nor_lets_a_slow_one_through() -> None:
    for seed in range(50):
        assert not timed(1.0, seed)[0].is_slow
        assert not timed(1.2, seed)[0].is_slow
        assert timed(1.42, seed)[0].is_slow
    assert timed(1.0, 0)[1].searches == QUESTIONS * TURNS * 2  # what is certain at once is not measured longer


def test_a_plan_near_the_limit_is_measured_for_long_and_says_how_uncertain_it_is() -> None:
    latency, weather = timed(LATENCY_RATIO, 0)
    assert weather.searches == MAX_QUESTIONS * TURNS * 2
    assert latency.low < LATENCY_RATIO < latency.high


def test_latency_is_told_from_few_questions_too() -> None:
    weather = Weather(0)
    latency = time_pairs([(lambda: weather.search(1.0), lambda: weather.search(9.0))], weather)
    assert latency.is_slow
    assert latency.low == latency.high


def test_what_other_threads_do_is_no_part_of_a_search() -> None:
    """As where another job, or searches, run in the process: each lets go of the lock while it works."""
    over, started = threading.Event(), threading.Event()

    def other_job() -> None:
        while not over.is_set():
            hashlib.sha256(bytes(2**22)).digest()
            started.set()

    def search() -> None:
        until = time.thread_time() + 0.002
        while time.thread_time() < until:
            hashlib.sha256(bytes(2**14)).digest()

    others = [threading.Thread(target=other_job) for _ in range(3)]
    for other in others:
        other.start()
    try:
        assert started.wait(10)
        latency = time_pairs([(search, search)] * QUESTIONS)
    finally:
        over.set()
        for other in others:
            other.join()
    assert latency.before_ms == pytest.approx(2.0, rel=0.2) and latency.ratio == pytest.approx(1.0, rel=0.2)
