"""The budget of a run is kept however many questions there are, and nothing is ranked twice at the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tuning_world import QUESTIONS, questions, tuning_world

from api.knowledge_base import KnowledgeBase
from retrieval.learned.ranker import Told, read_features
from retrieval.plan import Plan, RerankStep
from retrieval.ranking.rerank import RERANKERS
from retrieval.sparse import SparseView
from retrieval.types import IndexedChunk, Ranking
from search_core import conclusion, time_needed, trainer
from search_core.clock import Clock
from search_core.corpus.legs import CachedLegs
from search_core.errors import BudgetError
from search_core.policy.contract import Trial
from search_core.proof import latency
from search_core.request import DEFAULT_SPACE, Request
from search_core.result import Result
from search_core.spaces.architecture import Architecture
from search_core.spaces.plan_mapping import plan_space
from search_core.spaces.space_file import open_space
from search_core.stages import quickness, ranker_stage
from search_core.stages.finalist import Finalist
from search_core.stages.plan_tier import PlanTier, Progress
from search_core.stages.portfolio import portfolio
from search_core.tiers import shares
from search_core.trainer import AutoModelTrainer

RANKING_SECONDS = 0.1
BEST = CachedLegs.best


class Pretended(Clock):
    """Only rankings take time."""

    now = 0.0

    @property
    def seconds(self) -> float:
        return self.now


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with tuning_world(tmp_path) as opened:
        yield opened


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    """Of a budget that a test sets; latencies are left out, for they are of the real clock."""
    made = Pretended(0.0)

    def slow(self: CachedLegs, *about: Any) -> list[IndexedChunk]:
        made.now += RANKING_SECONDS
        return BEST(self, *about)

    monkeypatch.setattr(CachedLegs, "best", slow)
    for module in (conclusion, quickness):
        monkeypatch.setattr(module, "compare_latency", lambda *about: None)
    return made


def tuned(kb: KnowledgeBase, clock: Pretended, budget: float, **wishes: Any) -> Result:
    texts, qrels = questions()
    request = Request(collection="c", budget=budget, max_epochs=500, tiers="plan", queries=texts, qrels=qrels)
    request = replace(request, **wishes)
    run = AutoModelTrainer.of(request, settings=kb.settings, catalog=kb.catalog, encoder_of=kb.open_encoder)
    clock.budget, run._clock = budget, clock
    return run.run()


def test_what_the_end_needs_is_kept_for_it(
    kb: KnowledgeBase, clock: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[float] = []
    conclude = trainer.conclude

    def told(conditions: Any, finalist: Finalist, *more: Any) -> Result:
        began.append(clock.now)
        return conclude(conditions, finalist, *more)

    monkeypatch.setattr(trainer, "conclude", told)
    result = tuned(kb, clock, 110.0)
    assert result.promoted and result.trials > 1
    assert clock.now <= 110.0
    sealed = result.verdict.questions
    ranked = round((clock.now - began[0]) / RANKING_SECONDS / sealed)
    assert ranked <= 4, "what serves, the winner, and each leg alone: once each, whatever is measured"


def test_no_plan_is_tried_once_the_tiers_time_is_over(
    kb: KnowledgeBase, clock: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many the policy was asked for at once."""
    left: list[float] = []
    score = PlanTier._try

    def told(self: PlanTier, architecture: Architecture, clock: Clock, progress: Progress) -> Trial:
        left.append(clock.left(shares(("plan",))["plan"]))
        return score(self, architecture, clock, progress)

    monkeypatch.setattr(PlanTier, "_try", told)
    tuned(kb, clock, 420.0)
    assert len(left) > len(portfolio(plan_space(open_space(DEFAULT_SPACE)))) and min(left) > 0


def test_more_questions_than_there_is_time_for_are_refused_before_it_is_spent(
    kb: KnowledgeBase, clock: Pretended
) -> None:
    with pytest.raises(BudgetError, match=rf"{QUESTIONS} questions take about \d+ s .* expected at least \d+ s"):
        tuned(kb, clock, 20.0)
    assert clock.now < 4.0


def test_a_budget_that_only_asking_and_proving_fit_is_taken_and_kept(kb: KnowledgeBase, clock: Pretended) -> None:
    result = tuned(kb, clock, 40.0)
    assert not result.promoted and clock.now <= 40.0
    assert result.trials == 0 and "no trial fitted" in result.reasons[0] == result.stages[0]["reason"]


def test_a_moment_in_which_the_machine_is_busy_refuses_nothing(
    kb: KnowledgeBase, clock: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched, calls = SparseView.search, itertools.count(1)

    def hiccup(self: SparseView, *about: Any) -> Ranking:
        clock.now += 6.0 if next(calls) == time_needed.WARM_UP_QUESTIONS + 1 else 0.0
        return searched(self, *about)

    monkeypatch.setattr(SparseView, "search", hiccup)
    assert tuned(kb, clock, 110.0).promoted


def test_a_ranker_that_is_not_learned_in_time_is_left_out(
    kb: KnowledgeBase, clock: Pretended, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def slow(*about: Any) -> Told | None:
        clock.now += RANKING_SECONDS
        return read_features(*about)

    monkeypatch.setattr(ranker_stage, "read_features", slow)
    monkeypatch.setattr(CachedLegs, "best", BEST)
    space = tmp_path / "both.yaml"
    held = "{tier: plan, values: [convex], summary: how words and vectors become one ranking}"
    space.write_text(f"name: both\nextends: gnn-lm-v1\ndecisions:\n  fusion: {held}\n")
    wishes = {"tiers": "plan,ranker", "max_epochs": 1, "search_space": str(space)}
    for budget in (300.0, 10.0):
        clock.now = 0.0
        result = tuned(kb, clock, budget, **wishes)
        assert clock.now <= budget
        assert ("the time was over" in result.stages[1]["reason"]) is (budget < 100)


class _Slow:
    """Each pair takes the pretended clock a tenth of a second."""

    clock: Pretended

    def rerank(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        self.clock.now += 0.1 * len(passages)
        return [-float(place) for place in range(len(passages))]


def test_a_reranker_is_foretold_to_score_a_question_once_for_all_plans(
    kb: KnowledgeBase, clock: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "slow" not in RERANKERS:
        RERANKERS.register("slow", _Slow, "for tests")
    _Slow.clock = clock
    monkeypatch.setattr(CachedLegs, "best", BEST)
    kept: list[float] = []
    monkeypatch.setattr(clock, "keep", kept.append)
    plan = Plan(rerank=RerankStep("slow", 10))
    sealed = tuned(kb, clock, 240.0, against=plan.to_dict(), max_epochs=1).verdict.questions
    timing = time_needed.COMPARED * 2 * latency.TURNS * latency.QUESTIONS
    assert kept == [pytest.approx(time_needed.RERANKED * sealed + timing, rel=0.01)], "a second a question, not a plan"


def test_rankings_are_foretold_as_deep_as_the_metric_looks(
    kb: KnowledgeBase, clock: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths: set[int] = set()
    best = CachedLegs.best

    def told(self: CachedLegs, plan: Plan, place: int, hits: int = 10) -> list[IndexedChunk]:
        depths.add(hits)
        return best(self, plan, place, hits)

    monkeypatch.setattr(CachedLegs, "best", told)
    with pytest.raises(BudgetError):
        tuned(kb, clock, 20.0, metric="recall@100")
    assert depths == {100}
