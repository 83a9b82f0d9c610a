"""Plans that are slower than need be: too slow ones, of which a part is given up, and ones with idle changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.plan import DiffusionEdges, DiffusionStep, FusionMethod, Plan
from retrieval.search.request_time import LATENCY_RATIO, REQUEST_MS, is_slower
from search_core.candidate import StageReport
from search_core.clock import Clock
from search_core.proof.gate import Latency
from search_core.spaces.architecture import Architecture
from search_core.spaces.plan_mapping import architecture_of, plan_of, plan_space
from search_core.spaces.scalar import Scalar
from search_core.spaces.space_file import open_space
from search_core.stages import plans, quickness
from search_core.stages.plan_choice import PlanChoice
from search_core.stages.plan_tier import PlanTier, Scored
from search_core.time_decisions import TimeDecisions

QUESTIONS = 40
SPACE = open_space("gnn-lm-v1")
START: Any = SimpleNamespace(with_plan=lambda architecture, plan: SimpleNamespace(plan=plan, model=None))


def conditions() -> Any:
    """Of a run that has timed nothing yet."""
    return SimpleNamespace(
        **{"space": SPACE, "catalog": None, "serving": None},
        split=SimpleNamespace(choose=tuple(range(QUESTIONS))),
        spec=SimpleNamespace(latency_ms=None, metric="ndcg@10"),
        timed=TimeDecisions(Clock(100.0), {}, lambda made: None),
    )


def walk(steps: int) -> Plan:
    return Plan(diffusion=DiffusionStep(DiffusionEdges.LINKS, 10, 0.5, steps))


DENSE = Plan(diffusion=DiffusionStep(DiffusionEdges.DENSE, 10, 0.5, 1))
SERVING, WORDS = Plan(), Plan(fusion=FusionMethod.SPARSE)
BY_WORTH = (WORDS, Plan(dense_weight=0.4), DENSE, walk(1), walk(2))  # each better than the one before
COSTS = {2: 5.0, 1: 4.0}  # milliseconds, by steps of a walk


def cost(plan: Plan) -> float:
    if plan.fusion is FusionMethod.SPARSE:
        return 1.0
    if plan.diffusion is None:
        return 2.0
    return 3.0 if plan.diffusion.edges is DiffusionEdges.DENSE else COSTS[plan.diffusion.steps]


def chosen(monkeypatch: pytest.MonkeyPatch, most: float) -> tuple[Plan, str | None]:
    """Where what serves takes a millisecond, and `most` is just what is allowed."""

    def timed(catalog: Any, before: Any, after: Any, places: tuple[int, ...]) -> Latency:
        ratio = LATENCY_RATIO * cost(after.plan) / most
        return Latency(1.0, ratio, ratio, ratio)

    monkeypatch.setattr(quickness, "compare_latency", timed)
    scored = [
        Scored(Architecture("x", {"a": at}), plan, np.full(QUESTIONS, 0.1 * at))
        for at, plan in enumerate((SERVING, *BY_WORTH))
    ]
    asked = tuple(EvalQuery(f"q{at}", f"question {at}", {f"d{at}": 1}) for at in range(QUESTIONS))
    choice = PlanChoice(tuple(scored), scored[0], tuple(range(QUESTIONS)), asked)
    left, slow = plans._quick_enough(conditions(), START, choice)
    return left.whole.plan, slow


@pytest.mark.parametrize(
    ("most", "best"),
    [(9.0, walk(2)), (4.5, walk(1)), (3.5, DENSE), (2.5, BY_WORTH[1]), (1.5, WORDS)],
    ids=["all", "one step", "no graph", "no diffusion", "words alone"],
)
def test_of_a_plan_that_is_too_slow_no_more_is_given_up_than_need_be(
    monkeypatch: pytest.MonkeyPatch, most: float, best: Plan
) -> None:
    assert chosen(monkeypatch, most)[0] == best


def test_what_was_given_up_is_told_with_its_time_and_its_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, 9.0)[1] is None
    slow = chosen(monkeypatch, 1.5)[1]
    assert slow is not None and slow.startswith("searches would take 4.33 times as long (4.33 to 4.33)")
    assert slow.endswith("so +0.5000 on the questions it was chosen by was given up")


def test_what_surrounds_a_search_belongs_to_the_time_that_people_wait() -> None:
    assert not is_slower(0.5, 0.33)  # as long again by half, a fifth of the request
    assert is_slower(1.0, 0.33)
    assert is_slower(13.5, 10.0) and not is_slower(13.0, 10.0)
    assert not is_slower(LATENCY_RATIO * 2 + (LATENCY_RATIO - 1) * REQUEST_MS - 1e-9, 2.0)


class Worth:
    """Legs where nothing counts but how much the vectors weigh, and how far the words are asked."""

    def __init__(self) -> None:
        self.questions = [EvalQuery(f"q{at}", f"question {at}", {f"d{at}": 1}) for at in range(QUESTIONS)]

    def only(self, places: Any) -> Worth:
        return self

    def score(self, plan: Plan, metric: str) -> np.ndarray[Any, Any]:
        return np.full(QUESTIONS, 0.5 + 0.1 * (plan.dense_weight == 0.4) + 0.001 * (plan.sparse_depth == 50))


def test_changes_that_change_nothing_are_left_out_of_the_chosen_plan() -> None:
    space = SPACE
    legs: Any = Worth()
    nothing: Any = None
    tier = PlanTier(legs, lambda architecture: plan_of(architecture, SERVING, space), "ndcg@10", nothing, "random")
    incumbent = tier.add(architecture_of(SERVING, plan_space(space)), SERVING)
    idle: dict[str, Scalar] = {
        "diffusion.edges": "hyperlinks",
        "diffusion.steps": 2,
        "dense_depth": 200,
        "feedback": 0.3,
    }
    told = space.complete(incumbent.architecture.as_dict() | idle | {"dense_weight": 0.4, "sparse_depth": 50})
    tier.add(told, plan_of(told, SERVING, space))
    found = plans._plain_choice(conditions(), tier, incumbent, range(QUESTIONS)).whole.plan
    assert found == replace(SERVING, dense_weight=0.4, sparse_depth=50)  # a thousandth more is no change of nothing


@dataclass(frozen=True)
class Walker:
    """A candidate to which diffusion is worth 0.01; searches take 3 ms with it, and `extra` for what it learned."""

    plan: Plan
    architecture: Architecture
    extra: float = 0.0
    model: None = None

    def with_plan(self, architecture: Architecture, plan: Plan) -> Walker:
        return replace(self, architecture=architecture, plan=plan)

    def without_ranker(self, architecture: Architecture) -> Walker:
        return replace(self, architecture=architecture, plan=replace(self.plan, ranker=None))

    def values(self, places: Sequence[int], metric: str) -> np.ndarray[Any, Any]:
        return np.full(QUESTIONS, 0.5 + 0.01 * (self.plan.diffusion is not None))


@pytest.mark.parametrize(
    ("diffuses", "gain", "most", "kept", "left"),
    [
        (True, 0.05, 4.5, True, 0.05),  # quick enough as it is
        (True, 0.05, 3.5, True, 0.04),  # worth more than the diffusion
        (True, 0.005, 3.5, False, 0.005),  # worth less
        (True, 0.05, 1.5, False, 0.05),  # too slow without it, too
        (False, 0.05, 1.5, False, 0.05),
    ],
)
def test_diffusion_is_given_up_for_what_is_worth_more(
    monkeypatch: pytest.MonkeyPatch, diffuses: bool, gain: float, most: float, kept: bool, left: float
) -> None:
    def timed(catalog: Any, before: Any, after: Walker, places: Any) -> Latency:
        ratio = LATENCY_RATIO * (after.extra + (3.0 if after.plan.diffusion is not None else 1.0)) / most
        return Latency(1.0, ratio, ratio, ratio)

    monkeypatch.setattr(quickness, "compare_latency", timed)
    plan = walk(1) if diffuses else SERVING
    start: Any = Walker(plan, architecture_of(plan, plan_space(SPACE)))
    found: Any = replace(start, extra=1.0)
    told = StageReport("ranker", 4, 1.0, 1.0, True, "", gain, found)
    handed_on: Any
    handed_on, report = quickness.kept_if_quick(conditions(), start, found, told)
    assert report.kept is kept
    assert report.gain == pytest.approx(left)
    assert handed_on.extra == (1.0 if kept else 0.0)
    gave_up = kept and left < gain
    assert (handed_on.plan.diffusion is None) == (gave_up or not diffuses)
    assert (report.best == handed_on) if kept else ("given up" in report.reason)
    assert SPACE.complete(handed_on.architecture.as_dict()) == handed_on.architecture


@pytest.mark.parametrize(
    ("worth", "most", "given_up"),
    [
        (0.03, 4.5, ""),
        (0.03, 3.5, "diffusion"),  # worth 0.01, the ranker more
        (0.005, 3.5, "ranker"),
        (0.03, 2.5, ""),  # neither alone suffices, so nothing is kept
    ],
)
def test_of_diffusion_and_ranker_the_lesser_is_given_up(
    monkeypatch: pytest.MonkeyPatch, worth: float, most: float, given_up: str
) -> None:
    def timed(catalog: Any, before: Any, after: Walker, places: Any) -> Latency:
        parts = 1.0 + (after.plan.diffusion is not None) + (after.plan.ranker is not None) + after.extra
        ratio = LATENCY_RATIO * parts / most
        return Latency(1.0, ratio, ratio, ratio)

    monkeypatch.setattr(quickness, "compare_latency", timed)
    plan = replace(walk(1), ranker="ranker-0123456789abcdef")
    start: Any = Walker(plan, SPACE.complete(architecture_of(walk(1), SPACE).as_dict() | {"ranker": 0.01}))
    told = StageReport("precedents", 3, 1.0, 1.0, True, "", 0.05, replace(start, extra=1.0))
    earlier = StageReport("ranker", 4, 1.0, 1.0, True, "", worth, start)
    handed_on, report = quickness.kept_if_quick(conditions(), start, replace(start, extra=1.0), told, [earlier])
    assert report.kept is (most > 3.0)
    assert given_up in report.reason if report.kept else "was given up" in report.reason
    assert (handed_on.plan.diffusion is None, handed_on.plan.ranker is None) == (
        given_up == "diffusion",
        given_up == "ranker",
    )
    assert ("ranker" in handed_on.architecture.as_dict()) is (given_up != "ranker")
    if given_up:
        assert report.gain == pytest.approx(0.05 - min(0.01, worth))
