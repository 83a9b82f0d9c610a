"""The dear tiers end to end: an adapter is learned, proven and served, networks are measured, noise gains nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from stages_world import question_of, questions, stages_world, text_of

from api.knowledge_base import KnowledgeBase
from retrieval.learned.adapter import load_adapter
from retrieval.learned.files import ARTIFACTS
from retrieval.plan import DEFAULT_PLAN
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Deletion, Document
from search_core.artifact.artifacts import load_artifact
from search_core.candidate import Candidate, StageReport
from search_core.conditions import Conditions
from search_core.errors import ArtifactError, BudgetError, SearchCoreError, SupervisionError, TrainingError
from search_core.policy.archive import Archive
from search_core.questions.taught_questions import hashes_of
from search_core.result import Result
from search_core.stages import adapter_stage, graph_stage
from search_core.stages.halving import Rung
from search_core.tiers import TIERS, parse_tiers, shares
from search_core.trainer import AutoModelTrainer

pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')

pytestmark = pytest.mark.timeout(1200)  # seconds: whole runs, on a machine that may be busy with others

QUICK: dict[str, Any] = {"collection": "c", "budget": "20m", "max_epochs": 1}


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    with stages_world(tmp_path_factory.mktemp("stages")) as opened:
        yield opened


def tuned(kb: KnowledgeBase, **more: Any) -> Result:
    texts, qrels = questions()
    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    return AutoModelTrainer(**QUICK | about | {"queries": texts, "qrels": qrels} | more).run()


def back_to_default(kb: KnowledgeBase) -> None:
    kb.catalog.plans.promote(kb.catalog.collections.get("c"), None, "test", "")
    kb.runtime("c").refresh()


@pytest.fixture(autouse=True)
def few_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four trainings instead of thirteen."""
    monkeypatch.setattr(graph_stage, "RUNGS", (Rung(3, 0.1), Rung(1, 1.0)))


@pytest.fixture
def adapters(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Conditions, Candidate, Candidate, StageReport]]:
    """Of each adapter tier that is gone through: what it stands on, begins with, hands on and reports."""
    seen: list[tuple[Conditions, Candidate, Candidate, StageReport]] = []
    real = adapter_stage.adapter_stage

    def told(conditions: Conditions, start: Candidate, *more: Any) -> tuple[Candidate, StageReport]:
        handed_on, report = real(conditions, start, *more)
        seen.append((conditions, start, handed_on, report))
        return handed_on, report

    monkeypatch.setattr(adapter_stage, "adapter_stage", told)
    return seen


@pytest.fixture(scope="module")
def proven(kb: KnowledgeBase) -> Iterator[Result]:
    """A run that learned an adapter and promoted it; the default serves again when its tests ask for it."""
    yield tuned(kb, tiers="plan,adapter")


def test_an_adapter_that_is_better_serves_and_what_changes_is_found_by_it(kb: KnowledgeBase, proven: Result) -> None:
    assert proven.promoted, proven.reasons
    assert proven.plan.adapter is not None
    [plan, adapter] = proven.stages
    assert (plan["tier"], adapter["tier"], adapter["kept"]) == ("plan", "adapter", True)
    assert adapter["sealed"] > plan["sealed"] + 0.1
    kb.runtime("c").refresh()
    assert kb.plan_of("c") == proven.plan
    assert (proven.folder / "adapter.safetensors").exists()
    assert load_artifact(proven.folder).plan == proven.plan
    topics = [0, 1, 2]
    kb.write("c", [Document("new", text_of(topics), "")], wait=True, timeout=60.0)
    hits = kb.search("c", SearchRequest(question_of(topics), 5), OPERATOR).hits
    assert "new" in [hit.chunk.key for hit in hits]
    kb.write("c", [Deletion("new")], wait=True, timeout=60.0)


def test_a_serving_adapter_is_what_a_new_run_compares_with(kb: KnowledgeBase, proven: Result) -> None:
    def serving() -> dict[str, tuple[int, int]]:
        files = (kb.settings.data_dir / ARTIFACTS / str(proven.plan.adapter)).iterdir()
        return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}

    before = serving()
    texts, _ = questions()
    working = proven.supervision["questions"] - proven.supervision["split"]["sealed"]
    for seed in (0, 1):
        again = tuned(kb, tiers="plan", promote=False, seed=seed)
        assert again.incumbent == proven.plan
        assert again.metrics["serving"]["ndcg@10"] > again.metrics["default"]["ndcg@10"] + 0.1
        assert again.plan.adapter == proven.plan.adapter
        assert again.supervision["split"]["fit"] == working, "what it was taught neither chooses nor proves"
        learned = f"what serves learned from {working} of the questions, or their documents"
        assert again.supervision["notes"][0] == f"{learned}: none of them is used as proof"
    assert serving() == before
    fingerprint = kb.catalog.collections.get("c").encoder_fingerprint
    adapter = load_adapter(kb.settings.data_dir / ARTIFACTS / str(proven.plan.adapter), fingerprint, None)
    assert adapter.taught is not None and len(adapter.taught) == working
    assert set(adapter.taught) < set(hashes_of(texts.values()))
    few = dict(list(texts.items())[:30])
    with pytest.raises(SupervisionError, match="too few"):
        tuned(kb, tiers="plan", queries=few, qrels={name: questions()[1][name] for name in few})
    back_to_default(kb)


def test_the_same_seed_goes_the_same_way_while_the_corpus_changes(
    kb: KnowledgeBase, proven: Result, adapters: list[tuple[Conditions, Candidate, Candidate, StageReport]]
) -> None:
    def change(told: dict[str, Any]) -> None:
        kb.write("c", [Document(f"x{told['trial']}", "another text altogether", "")])

    again = tuned(kb, tiers="plan,adapter", promote=False, progress=change)
    assert (again.trajectory, again.artifact.digest) == (proven.trajectory, proven.artifact.digest)
    assert again.metrics == proven.metrics
    kb.write("c", [Deletion(f"x{number}") for number in range(1, again.trials + 1)], wait=True, timeout=60.0)
    [(conditions, start, handed_on, report)] = adapters
    metric, choose = conditions.spec.metric, conditions.split.choose
    gain = handed_on.values(choose, metric) - start.values(choose, metric)
    assert start.crossed is not None and handed_on.crossed is not None  # what a later tier is compared with
    assert report.kept and report.gain == pytest.approx((handed_on.crossed - start.crossed).mean(), abs=0.05)
    assert 0.1 < report.gain < gain.mean() + 0.05  # a plan is worth less where it was not chosen
    assert report.best is not None and again.plan == report.best.plan  # learned anew with `choose`, it serves
    assert again.plan.adapter != handed_on.plan.adapter


def test_shuffled_judgements_promote_nothing_in_any_tier(kb: KnowledgeBase) -> None:
    back_to_default(kb)
    _, qrels = questions()
    names, judged = list(qrels), list(qrels.values())
    random.Random(1).shuffle(judged)
    shuffled = dict(zip(names, judged, strict=True))
    result = tuned(kb, qrels=shuffled, tiers="plan,adapter,graph,encoder", policy="random")
    assert not result.promoted
    assert result.reasons
    assert kb.catalog.collections.get("c").plan_id is None
    encoder = result.stages[-1]
    assert (encoder["kept"], "no model that can be trained" in encoder["reason"]) == (False, True)


@pytest.mark.parametrize(("tier", "seeds"), [("adapter", (15, 23)), ("ranker", (13, 21))])
def test_what_learned_noise_gains_nothing_by_a_choice(kb: KnowledgeBase, tier: str, seeds: tuple[int, ...]) -> None:
    """Kind, steps, plan or penalty that are the best where they were chosen lose elsewhere as often as not."""
    back_to_default(kb)
    _, qrels = questions()
    gains = []
    for seed in seeds:
        names, judged = list(qrels), list(qrels.values())
        random.Random(seed).shuffle(judged)
        shuffled = dict(zip(names, judged, strict=True))
        [_, stage] = tuned(kb, qrels=shuffled, tiers=f"plan,{tier}", promote=False, seed=seed).stages
        gains.append(stage["gain"])
    assert min(gains) < 0


@pytest.mark.soak
def test_a_network_is_measured_and_told_but_does_not_serve(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    result = tuned(kb, tiers="plan,graph", promote=False, progress=told.append)
    [_, graph] = result.stages
    assert graph["trials"] == 4
    assert not graph["kept"]
    assert graph["policy"]["policy"] == "controller"
    assert {"plan", "graph"} == {one["tier"] for one in told}
    assert all({"trial", "best", "left"} <= set(one) for one in told)
    archive = Archive(kb.settings.data_dir / "experiments" / "archive.jsonl")
    before = len(archive)
    real, begun = graph_stage.fit_graph_lm, []

    def second_fails(*about: Any) -> Any:
        begun.append(about)
        if len(begun) == 2:
            raise TrainingError("the loss is no number")
        return real(*about)

    monkeypatch.setattr(graph_stage, "fit_graph_lm", second_fails)
    warm = tuned(kb, tiers="plan,graph", promote=False)
    assert len(archive) == before + 1
    assert warm.stages[1]["policy"]["lessons"] > 0
    assert warm.earlier_runs == before
    tried = kb.catalog.experiments.trials(warm.experiment)
    assert [one["reward"] for one in tried].count(None) == 1
    assert warm.stages[1]["trials"] == 4


def test_stopping_in_a_dear_tier_keeps_what_was_found(kb: KnowledgeBase) -> None:
    texts, qrels = questions()
    began: list[AutoModelTrainer] = []

    def stop(told: dict[str, Any]) -> None:
        if told["tier"] == "graph":
            began[0].stop()

    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    more = {"queries": texts, "qrels": qrels, "tiers": "plan,graph", "promote": False, "progress": stop}
    began.append(AutoModelTrainer(**QUICK | about | more | {"policy": "evolution"}))
    result = began[0].run()
    graph = result.stages[1]
    assert (graph["trials"], graph["policy"]["policy"]) == (1, "evolution")
    assert result.trials > 1


def test_a_tier_is_left_out_where_it_has_no_time_or_nothing_to_learn(kb: KnowledgeBase) -> None:
    texts, qrels = questions()
    began: list[AutoModelTrainer] = []
    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder, "promote": False}
    asked = QUICK | about | {"queries": texts, "qrels": qrels, "tiers": "plan,adapter"}
    began.append(AutoModelTrainer(**asked, progress=lambda told: began[0].stop()))
    [_, adapter] = began[0].run().stages
    assert (adapter["trials"], adapter["kept"]) == (0, False)
    assert "the run was stopped" in adapter["reason"]
    kb.create_collection("one")
    kb.write("one", [Document("only", text_of([0, 1, 2]), "")], wait=True, timeout=60.0)
    judged = {name: {"only": 1} for name in texts}
    [_, graph] = tuned(kb, collection="one", qrels=judged, tiers="plan,graph", promote=False).stages
    assert (graph["trials"], graph["reason"]) == (0, "a single passage has no neighbours to learn from")


def test_a_full_disk_is_told_and_serving_is_untouched(kb: KnowledgeBase) -> None:
    back_to_default(kb)
    artifacts = kb.settings.data_dir / ARTIFACTS
    aside = artifacts.rename(artifacts.with_name("aside")) if artifacts.exists() else None
    artifacts.write_text("a file where the folder should be")
    try:
        with pytest.raises(ArtifactError, match="a model of experiment .* cannot be written: Not a directory"):
            tuned(kb, tiers="plan,adapter")
    finally:
        artifacts.unlink()
        if aside is not None:
            aside.rename(artifacts)
    assert kb.catalog.collections.get("c").plan_id is None
    assert kb.plan_of("c") == DEFAULT_PLAN


def test_given_parts_are_kept_and_what_they_share_is_told(kb: KnowledgeBase) -> None:
    texts, qrels = questions()
    texts = texts | {"q110": texts["q3"]}
    parts = {name: ("fit", "choose", "sealed")[n % 3] for n, name in enumerate(texts)} | {"q3": "fit", "q110": "sealed"}
    result = tuned(kb, queries=texts, tiers="plan", parts=parts, promote=False)
    split = result.supervision["split"]
    named = list(parts.values())
    assert split["sealed"] == named.count("sealed")
    assert split["fit"] == named.count("fit") - 1  # q3 asks what q110 asks
    assert not split["by_document"]
    assert any("share a relevant document" in note for note in result.supervision["notes"])
    with pytest.raises(SupervisionError, match="part 'train'"):
        tuned(kb, tiers="plan", parts={"q1": "train"})


def test_tiers_are_chosen_by_the_budget_or_by_name() -> None:
    assert parse_tiers("", 30.0) == ("plan",)
    assert parse_tiers("", 300.0) == ("plan", "adapter", "ranker", "precedents")
    assert parse_tiers("auto", 1800.0) == ("plan", "adapter", "encoder", "ranker", "precedents")
    assert parse_tiers(" graph, adapter ", 600.0) == ("plan", "adapter", "graph")
    with pytest.raises(SearchCoreError, match="tier 'prompt' is not known"):
        parse_tiers("plan,prompt", 600.0)
    with pytest.raises(BudgetError, match="too short for the encoder tier"):
        parse_tiers("encoder", 30.0)
    ends = list(shares(TIERS).values())
    assert np.all(np.diff([0.0, *ends, 1.0]) > 0)
