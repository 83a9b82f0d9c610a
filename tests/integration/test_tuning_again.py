"""A run that is begun again: delivered twice, resumed on another corpus, told of earlier runs, or ended earlier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tuning_world import questions, tuning_world

from api.jobs.tasks import InterruptedJobError
from api.jobs.tuning import tune
from api.knowledge_base import KnowledgeBase
from retrieval.catalog.experiments import ExperimentRecord, ExperimentState
from retrieval.errors import NotFoundError
from retrieval.types import Document
from search_core import conclusion, conditions
from search_core.conditions import ARCHIVE
from search_core.errors import BudgetError
from search_core.log.log_check import log_troubles
from search_core.policy.archive import Archive
from search_core.proof import promotion
from search_core.request import Request
from search_core.result import Result
from search_core.trainer import AutoModelTrainer

QUICK: dict[str, Any] = {"collection": "c", "budget": "120s", "max_epochs": 1, "tiers": "plan", "promote": False}


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with tuning_world(tmp_path) as opened:
        yield opened


def trainer(kb: KnowledgeBase, request: Request, **more: Any) -> AutoModelTrainer:
    return AutoModelTrainer.of(request, settings=kb.settings, catalog=kb.catalog, encoder_of=kb.open_encoder, **more)


def asked() -> Request:
    texts, qrels = questions()
    return Request(**QUICK, queries=texts, qrels=qrels)


def killed(kb: KnowledgeBase, request: Request, trial: int) -> ExperimentRecord:
    """A run that ended at that trial, as it is stored."""

    def die(told: dict[str, Any]) -> None:
        if told["trial"] == trial:
            raise Killed

    with pytest.raises(Killed):
        trainer(kb, request, progress=die).run()
    return kb.catalog.experiments.all(kb.catalog.collections.get("c"))[0]


def resumed(kb: KnowledgeBase, record: ExperimentRecord) -> Result:
    return trainer(kb, Request.from_dict(record.request), experiment=record.id).run()


def test_a_job_that_is_delivered_again_has_the_same_result(kb: KnowledgeBase) -> None:
    request = replace(asked(), promote=True)
    record = kb.catalog.experiments.create(kb.catalog.collections.get("c"), request.to_dict())
    first, again = (tune(kb, "c", {"experiment": record.id}, lambda done, total: None) for _ in range(2))
    assert first["promoted"] and again["trajectory"] == first["trajectory"] and again["plan"] == first["plan"]


def test_a_job_counts_towards_its_end_while_that_is_known_and_on_its_own_after_that(kb: KnowledgeBase) -> None:
    told: list[tuple[int, int | None]] = []
    record = kb.catalog.experiments.create(
        kb.catalog.collections.get("c"), replace(asked(), tiers="plan,adapter").to_dict()
    )
    stages = tune(kb, "c", {"experiment": record.id}, lambda done, total: told.append((done, total)))["stages"]
    plans, whole = stages[0]["trials"], sum(stage["trials"] for stage in stages)
    assert {total for done, total in told if done < plans} == {8}
    assert told[-1] == (whole, None) and whole > plans


def test_a_job_cancelled_after_the_last_trial_lets_nothing_serve(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole end of the run is still to come then: sealed questions, latencies, the artifact."""
    cancelled = False
    write = conclusion.write_artifact

    def cancel(*about: Any) -> Any:
        nonlocal cancelled
        cancelled = True
        return write(*about)

    def report(done: int, total: int | None) -> None:
        if cancelled:
            raise InterruptedJobError

    record = kb.catalog.experiments.create(kb.catalog.collections.get("c"), replace(asked(), promote=True).to_dict())
    with monkeypatch.context() as patched, pytest.raises(InterruptedJobError):
        patched.setattr(conclusion, "write_artifact", cancel)
        tune(kb, "c", {"experiment": record.id}, report)
    collection = kb.catalog.collections.get("c")
    assert collection.plan_id is None
    assert kb.catalog.experiments.get(collection, record.id).state is ExperimentState.STOPPED
    cancelled = False
    assert tune(kb, "c", {"experiment": record.id}, report)["promoted"], "it can be gone on with"


def test_a_run_that_goes_on_when_the_corpus_changed_begins_anew_and_says_so(kb: KnowledgeBase) -> None:
    record = killed(kb, asked(), 5)
    before = kb.catalog.experiments.trials(record.id)
    changed = [Document(f"d{number}", "nothing of interest here", "") for number in range(0, 160, 2)]
    kb.write("c", changed, wait=True, timeout=60.0)
    result = resumed(kb, record)
    trials = kb.catalog.experiments.trials(record.id)
    assert max(one["reward"] for one in trials) < max(one["reward"] for one in before)
    assert any("its 5 trials were forgotten" in note for note in result.supervision["notes"])
    assert trainer(kb, asked()).run().trajectory == result.trajectory


@pytest.mark.parametrize("rollout", ["none", "shadow"])
def test_a_run_killed_between_its_promotion_and_its_result_ends_as_proven(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch, rollout: str
) -> None:
    go_out = promotion.go_out

    def die(*about: Any) -> None:
        go_out(*about)
        raise Killed

    whole = trainer(kb, asked()).run()
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(promotion, "go_out", die)
        trainer(kb, replace(asked(), promote=True, rollout=rollout)).run()
    collection = kb.catalog.collections.get("c")
    record = kb.catalog.experiments.all(collection)[0]
    result = resumed(kb, record)
    assert not any("forgotten" in note for note in result.supervision["notes"])
    assert (result.trajectory, result.plan, result.incumbent) == (whole.trajectory, whole.plan, whole.incumbent)
    assert result.verdict.passes and result.promoted == (rollout == "none")
    assert all("rollout 1 began" in reason for reason in result.reasons)


def test_a_run_that_is_refused_when_it_goes_on_keeps_its_trials(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = killed(kb, asked(), 5)
    kb.write("c", [Document("d0", "nothing of interest here", "")], wait=True, timeout=60.0)

    def refused(*about: Any) -> None:
        raise BudgetError("too long")

    monkeypatch.setattr(conditions, "keep_time", refused)
    with pytest.raises(BudgetError):
        resumed(kb, record)
    assert len(kb.catalog.experiments.trials(record.id)) == record.trials == 5


def test_a_run_that_goes_on_is_told_as_many_earlier_runs_as_at_first(kb: KnowledgeBase) -> None:
    archive = Archive(kb.settings.data_dir / ARCHIVE)
    about: dict[str, Any] = {"corpus": "c", "task": "graph", "encoder": "e", "profile": (1.0,), "trials": ()}
    archive.add(**about)
    record = killed(kb, asked(), 5)
    for _ in range(2):
        archive.add(**about, experiment=record.id)  # as the tier that it had come through
    assert len(archive) == 2
    assert resumed(kb, record).earlier_runs == 1


def test_a_run_that_goes_on_and_ends_earlier_tells_the_trials_it_came_to(kb: KnowledgeBase) -> None:
    record = killed(kb, asked(), 12)
    begun: list[AutoModelTrainer] = []

    def stop(told: dict[str, Any]) -> None:
        if told["trial"] == 4:
            begun[0].stop()

    begun.append(trainer(kb, Request.from_dict(record.request), experiment=record.id, progress=stop))
    result = begun[0].run()
    assert result.trials == len(kb.catalog.experiments.trials(record.id)) < 12
    assert log_troubles(result.folder.parent, kb.catalog.experiments.trials(record.id)) == []


def test_a_collection_that_is_dropped_meanwhile_is_told(kb: KnowledgeBase) -> None:
    def drop(told: dict[str, Any]) -> None:
        if told["trial"] == 3:
            kb.drop_collection("c")

    with pytest.raises(NotFoundError, match="its collection was dropped while it ran"):
        trainer(kb, asked(), progress=drop).run()
