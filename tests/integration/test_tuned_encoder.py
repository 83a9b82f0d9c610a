"""An encoder that a run has proven takes over as a generation beside, or says why it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_world import tuned, tuning_world
from typer.testing import CliRunner

from api.cli import app
from api.generations.reindex import reindex, roll_back_generation
from api.generations.tuned_encoder import let_serve
from api.jobs.tasks import InterruptedJobError
from api.knowledge_base import KnowledgeBase
from retrieval.catalog import Catalog
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.generations import GenerationState
from retrieval.encoder import ENCODERS
from retrieval.encoder.hashing import HashEncoder
from retrieval.learned.adapter import QueryAdapter, write_adapter
from retrieval.learned.files import ARTIFACTS
from retrieval.plan import DEFAULT_PLAN, FusionMethod, Plan
from retrieval.types import Ranking
from search_core.candidate import Candidate, StageReport, TunedModel
from search_core.conditions import Conditions
from search_core.offered_encoders import waits
from search_core.proof.gate import Latency
from search_core.proof.reasons import NOT_EMBEDDED
from search_core.result import Result
from search_core.stages import quickness
from search_core.stages.finalist import STAGES
from search_core.stages.labels import rows_by_key
from search_core.stages.plan_tier import Progress
from search_core.stages.plans import plans_anew


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with tuning_world(tmp_path) as opened:
        yield opened


def better_encoder(
    conditions: Conditions, start: Candidate, best: float, share: float, progress: Progress
) -> tuple[Candidate, StageReport]:
    """Stands for the encoder tier without its training: another encoder, by which questions lie at their documents."""
    folder = conditions.data_dir / "tuned"
    folder.mkdir(exist_ok=True)
    if "tuned" not in ENCODERS:
        ENCODERS.register("tuned", lambda **_: HashEncoder(64), "hashed words in fewer dimensions")
    rows, base = rows_by_key(conditions.snapshot), conditions.legs
    near = [[rows[key][0] for key in question.judgements] for question in base.questions]
    legs = base.with_query_vectors(np.stack([conditions.snapshot.vectors[one].mean(axis=0) for one in near]))
    model = TunedModel(folder, conditions.encoder, {})
    made = replace(start, plan=conditions.incumbent, base=legs, legs=legs, model=model)
    return made, StageReport("encoder", 1, 0.0, 0.0, True, gain=0.1, best=made)


def better_encoder_of_words(
    conditions: Conditions, start: Candidate, best: float, share: float, progress: Progress
) -> tuple[Candidate, StageReport]:
    """The same, under a plan that needs nothing of the former encoder."""
    made, report = better_encoder(conditions, start, best, share, progress)
    bare = replace(made, plan=replace(made.plan, adapter=None))
    return bare, replace(report, best=bare)


def late_encoder(
    conditions: Conditions, start: Candidate, best: float, share: float, progress: Progress
) -> tuple[Candidate, StageReport]:
    """The same, ready when the time is over, after words alone were the best plan."""
    made, report = better_encoder(conditions, start, best, share, progress)
    return after_words_alone(conditions, made, report, progress)


def encoder_where_words_find_nothing(
    conditions: Conditions, start: Candidate, best: float, share: float, progress: Progress
) -> tuple[Candidate, StageReport]:
    """The same, for questions that share no word with what answers them."""
    made, report = better_encoder(conditions, start, best, share, progress)
    legs = replace(made.legs, sparse=tuple(Ranking.empty() for _ in made.legs.questions))
    return after_words_alone(conditions, replace(made, base=legs, legs=legs), report, progress)


def after_words_alone(
    conditions: Conditions, made: Candidate, report: StageReport, progress: Progress
) -> tuple[Candidate, StageReport]:
    plan = replace(made.plan, fusion=FusionMethod.SPARSE)
    words = made.with_plan(conditions.space.complete({"fusion": "sparse"}), plan)
    swept, _ = plans_anew(conditions, words, 0.0, progress)
    return swept, replace(report, best=swept)


def test_an_encoder_that_is_ready_when_the_time_is_over_is_tried_with_plans_that_use_it(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, "encoder", (__name__, "late_encoder"))
    found = tuned(kb, tiers="plan,encoder", max_epochs=1, promote=False)
    swept = [one for one in kb.catalog.experiments.trials(found.experiment) if one["policy"] == "sweep"]
    assert {one["architecture"]["choices"]["fusion"] for one in swept} > {"sparse", "dense"}


def test_a_plan_for_new_vectors_may_take_longer_than_one_by_words_alone(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate compares with the plan that serves, by words and vectors, so what is chosen before it must too."""
    compared: list[Plan] = []

    def words_are_quick(catalog: Catalog, before: Candidate, after: Candidate, places: tuple[int, ...]) -> Latency:
        compared.append(before.plan)
        ratio = 4.0 if before.plan.fusion == FusionMethod.SPARSE else 1.0
        return Latency(1.0, ratio, ratio, ratio)

    monkeypatch.setattr(quickness, "compare_latency", words_are_quick)
    monkeypatch.setitem(STAGES, "encoder", (__name__, "encoder_where_words_find_nothing"))
    found = tuned(kb, tiers="plan,encoder", max_epochs=1, promote=False)
    assert set(compared) == {DEFAULT_PLAN}
    assert found.plan.fusion is not FusionMethod.SPARSE


def test_a_better_encoder_takes_over_under_the_plan_that_serves_also_when_resumed(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, "encoder", (__name__, "better_encoder"))
    found = tuned(kb, tiers="plan,encoder", max_epochs=1)
    assert found.plan == found.incumbent == DEFAULT_PLAN
    assert found.reasons == (NOT_EMBEDDED,)
    kb.close()  # ended before it embedded
    monkeypatch.setenv("KB_DATA_DIR", str(kb.settings.data_dir))
    monkeypatch.setenv("KB_ENCODER", "hash")
    done = CliRunner().invoke(app, ["tune", "-c", "c", "--resume", found.experiment])
    assert done.exit_code == 0, done.output
    assert "generation" in done.output and f"plan {found.plan_id} serves now" in done.output
    again = CliRunner().invoke(app, ["tune", "-c", "c", "--resume", found.experiment])
    assert again.exit_code != 0 and "is finished" in str(again.output) + str(again.exception)
    with KnowledgeBase.open(kb.settings) as reopened:
        assert reopened.catalog.collections.get("c").encoder == str(found.model)
        assert reopened.plan_of("c") == DEFAULT_PLAN


def fallen_before_its_plan(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> Result:
    """A run whose encoder took over; the process fell before the plan did."""
    monkeypatch.setitem(STAGES, "encoder", (__name__, "better_encoder"))
    found = tuned(kb, tiers="plan,encoder", max_epochs=1)

    def fall(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as falling, pytest.raises(KeyboardInterrupt):
        falling.setattr(kb.catalog.plans, "promote", fall)
        let_serve(kb, "c", found.experiment, found.to_dict(), lambda done, total: None)
    return found


def test_what_fell_when_only_the_plan_was_left_embeds_nothing_again(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fallen_before_its_plan(kb, monkeypatch)
    first = kb.catalog.collections.get("c")
    assert first.encoder == str(found.model)
    told = let_serve(kb, "c", found.experiment, found.to_dict(), lambda done, total: None)
    now = kb.catalog.collections.get("c")
    assert told["promoted"] and told["generation"] == now.generation == first.generation
    assert len(kb.catalog.generations.all(now)) == 2
    assert now.plan_id == found.plan_id


def adapted(kb: KnowledgeBase) -> int:
    """The number of a plan with an adapter of the serving encoder, which serves."""
    collection, encoder = kb.catalog.collections.get("c"), kb.encoder("c")
    write_adapter(kb.settings.data_dir / ARTIFACTS / "mine", QueryAdapter(encoder.fingerprint, encoder.dim))
    plan = replace(DEFAULT_PLAN, adapter="mine")
    number = kb.catalog.plans.add(collection, "adapted", plan.to_dict(), plan.digest, "test").id
    kb.catalog.plans.promote(collection, number, "test", "")
    return number


@pytest.mark.parametrize("what", ["activate", "promote"])
def test_what_fell_when_its_encoder_took_over_without_foreign_parts_goes_on(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Before the pointer moves, and after it: the plan that serves then is the run's own doing."""
    monkeypatch.setitem(STAGES, "encoder", (__name__, "better_encoder_of_words"))
    adapted(kb)
    kb.runtimes.forget("c")
    found = tuned(kb, tiers="plan,encoder", max_epochs=1)
    place = kb.catalog.generations if what == "activate" else kb.catalog.plans
    whole = getattr(place, what)

    def fall(*about: Any, **more: Any) -> None:
        if what == "activate" or about[1] == found.plan_id:
            raise KeyboardInterrupt
        whole(*about, **more)

    with monkeypatch.context() as falling, pytest.raises(KeyboardInterrupt):
        falling.setattr(place, what, fall)
        let_serve(kb, "c", found.experiment, found.to_dict(), lambda done, total: None)
    assert kb.plan_of("c").adapter is None
    told = let_serve(kb, "c", found.experiment, found.to_dict(), lambda done, total: None)
    assert told["promoted"], told["reasons"]
    now = kb.catalog.collections.get("c")
    assert (now.encoder, now.plan_id) == (str(found.model), found.plan_id)
    assert len(kb.catalog.generations.all(now)) == 2


def test_an_encoder_that_took_over_and_was_rolled_back_stays_away(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fallen_before_its_plan(kb, monkeypatch)
    former = roll_back_generation(kb, "c")
    told = let_serve(kb, "c", found.experiment, found.to_dict(), lambda done, total: None)
    assert not told["promoted"] and "took over and another one serves since" in told["reasons"][0]
    now = kb.catalog.collections.get("c")
    assert (now.generation, len(kb.catalog.generations.all(now))) == (former.id, 2)


def test_a_plan_that_began_to_serve_while_the_new_encoder_embedded_stays(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several evaluation sets do not disturb it: sealed questions decided."""
    monkeypatch.setitem(STAGES, "encoder", (__name__, "better_encoder"))
    collection = kb.catalog.collections.get("c")
    for name in ("one", "two"):
        kb.catalog.eval_sets.create(collection, name, [EvalQuery("q", "the pump", {"x": 1})])
    found = tuned(kb, tiers="plan,encoder", max_epochs=1)
    mine = Plan(dense_weight=0.2)
    record = kb.catalog.plans.add(collection, "mine", mine.to_dict(), mine.digest, "test")

    def promote(done: int, total: int | None) -> None:
        kb.catalog.plans.promote(collection, record.id, "test", "")

    told = let_serve(kb, "c", found.experiment, found.to_dict(), promote)
    assert not told["promoted"]
    assert "another plan or encoder" in told["reasons"][0] and "kb generations activate" in told["reasons"][0]
    now = kb.catalog.collections.get("c")
    assert (now.plan_id, now.encoder_fingerprint) == (record.id, collection.encoder_fingerprint)
    assert kb.catalog.generations.all(now)[-1].state is GenerationState.READY
    assert not waits(told)


def test_a_job_cancelled_while_the_new_generation_is_opened_changes_nothing(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, "encoder", (__name__, "better_encoder"))
    before = kb.catalog.collections.get("c")
    found = tuned(kb, tiers="plan,encoder", max_epochs=1)
    opened: list[Any] = []

    def report(done: int, total: int | None) -> None:
        if opened:
            raise InterruptedJobError

    with monkeypatch.context() as patched, pytest.raises(InterruptedJobError):
        patched.setattr(kb.runtimes, "open_beside", opened.append)
        let_serve(kb, "c", found.experiment, found.to_dict(), report)
    now = kb.catalog.collections.get("c")
    assert opened and (now.generation, now.plan_id) == (before.generation, before.plan_id)


def test_an_encoder_that_began_to_serve_after_the_comparison_stays(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, "encoder", (__name__, "better_encoder"))
    found = tuned(kb, tiers="plan,encoder", max_epochs=1).to_dict()
    if "hash-of-16" not in ENCODERS:
        ENCODERS.register("hash-of-16", lambda **_: HashEncoder(16), "hashed words in few dimensions")
    reindex(kb, "c", {"encoder": "hash-of-16"}, lambda done, total: None)
    told = let_serve(kb, "c", found["experiment"], found, lambda done, total: None)
    assert not told["promoted"] and "another plan or encoder" in told["reasons"][0]
    assert kb.catalog.collections.get("c").encoder == "hash-of-16"
