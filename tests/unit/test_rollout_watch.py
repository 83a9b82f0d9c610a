"""What a watch makes of counted searches and answers: when it compares, with what, and when it goes on."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.plans import rollout_watch as watch
from api.rollout.regress import regression
from api.rollout.tally import Sums, of_answer, of_search
from retrieval.catalog import Collection
from retrieval.catalog.rollouts import RolloutRecord, Stage
from retrieval.search.types import SearchResult

AT = datetime(2026, 1, 1, tzinfo=UTC)
RUNS = 60


@dataclass
class Canary:
    """A rollout with a watch over it, which looks after every ten searches."""

    monkeypatch: pytest.MonkeyPatch
    options: dict[str, Any]
    sums: Sums = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.record = RolloutRecord(1, 1, 2, None, Stage.CANARY, 0.3, self.options, None, "me", "", AT, AT, None)
        self.monkeypatch.setattr(watch, "advance", lambda *about: self.moved.append(about[-1]))
        self.monkeypatch.setattr(watch, "roll_back", lambda *about: self.moved.append(about[-1]))
        rollouts = SimpleNamespace(counts=lambda _: {Stage.CANARY: self.sums}, refer=self._refer)
        self.watch = watch.RolloutWatch(cast("Any", SimpleNamespace(catalog=SimpleNamespace(rollouts=rollouts))))

    def _refer(self, rollout: RolloutRecord, reference: dict[str, float]) -> bool:
        self.record = replace(rollout, reference=reference)
        return True

    def look(self) -> None:
        self.watch._judge(cast("Collection", None), self.record)

    def add(self, counts: Sums) -> None:
        for key, value in counts.items():
            self.sums[key] = self.sums.get(key, 0.0) + value

    def search(self, arm: str, milliseconds: float) -> None:
        self.add(of_search(self.record, arm, cast("SearchResult", SimpleNamespace(took_ms=milliseconds, hits=[1]))))


def searched(
    monkeypatch: pytest.MonkeyPatch, load: Callable[[int], float], slower: float, seed: int, count: int = 2_000
) -> Canary:
    """So many searches that take `load(number)` milliseconds, a third of them by a candidate `slower` times as slow."""
    canary, draw = Canary(monkeypatch, {"advance_after": 0}), random.Random(seed)
    for number in range(count):
        took = load(number) * draw.lognormvariate(0, 0.2)
        arm = "candidate" if draw.random() < 0.3 else "serving"
        canary.search(arm, took * (slower if arm == "candidate" else 1.0))
        if number % 10 == 0:
            canary.look()
        if canary.moved:
            break
    return canary


LOADS: dict[str, Callable[[int], float]] = {
    "steady": lambda _: 10.0,
    "quicker": lambda number: 40.0 if number < 70 else 10.0,
    "slower": lambda number: 10.0 if number < 70 else 40.0,
    "by the hour": lambda number: 10.0 if number // 300 % 2 else 40.0,
}


@pytest.mark.parametrize("load", LOADS)
def test_a_slow_candidate_goes_back_whatever_the_load_does(load: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(5):
        canary = searched(monkeypatch, LOADS[load], 2.0, seed)
        assert canary.moved and "slower than" in canary.moved[0], (load, seed)


@pytest.mark.parametrize("load", LOADS)
def test_one_that_is_as_quick_stays_whatever_the_load_does(load: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alarms = sum(bool(searched(monkeypatch, LOADS[load], 1.0, seed, 1_000).moved) for seed in range(RUNS))
    assert alarms <= 0.05 * RUNS


def test_an_answer_model_serves_nobody_else_before_both_have_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    canary = Canary(monkeypatch, {"answers": True, "advance_after": 200})
    for number in range(1_250):
        canary.search("candidate" if number % 5 == 0 else "serving", 10.0)
    canary.look()
    assert canary.moved == [] and canary.record.reference is not None
    assert canary.record.reference["p50"] == pytest.approx(10.0, rel=0.1), "searches are compared without answers"
    for arm, count in (("candidate", 200), ("serving", 49)):
        for _ in range(count):
            canary.add(of_answer(canary.record, arm, 100.0, False))
    canary.look()
    assert canary.moved == [] and "answer_p95" not in canary.record.reference
    canary.add(of_answer(canary.record, "serving", 100.0, False))
    canary.look()
    assert canary.record.reference["answer_p95"] == pytest.approx(100.0, rel=0.1)
    assert canary.moved == ["nothing became worse in 200 answers"]
    assert regression(Stage.CANARY, canary.sums, answers=True) == ""
