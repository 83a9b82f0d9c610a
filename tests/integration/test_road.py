"""The dear tiers end to end: an adapter is learned, proven and served, networks are measured, noise gains nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from road_world import documents, question_of, questions, road_world, text_of

from api.knowledge_base import KnowledgeBase
from retrieval.adapter import ARTIFACTS, load_adapter
from retrieval.plan import DEFAULT_PLAN
from retrieval.retriever import SearchRequest
from retrieval.types import OPERATOR, Deletion, Document
from search_core.artifacts import load_artifact
from search_core.errors import ArtifactError, BudgetError, SearchCoreError, SupervisionError
from search_core.policy.archive import Archive
from search_core.result import Result
from search_core.tiers import parse_tiers, shares
from search_core.trainer import AutoModelTrainer

pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')

QUICK: dict[str, Any] = {"collection": "c", "budget": "20m", "max_epochs": 1}


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    with road_world(tmp_path_factory.mktemp("road")) as opened:
        yield opened


def tuned(kb: KnowledgeBase, **more: Any) -> Result:
    texts, qrels = questions()
    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    return AutoModelTrainer(**QUICK | about | {"queries": texts, "qrels": qrels} | more).run()


def back_to_default(kb: KnowledgeBase) -> None:
    kb.catalog.plans.promote(kb.catalog.collections.get("c"), None, "test", "")
    kb.runtime("c").refresh()


def test_an_adapter_that_is_better_serves_and_what_changes_is_found_by_it(kb: KnowledgeBase) -> None:
    result = tuned(kb, tiers="plan,adapter")
    assert result.promoted, result.reasons
    assert result.plan.adapter is not None
    [plan, adapter] = result.stages
    assert (plan["tier"], adapter["tier"], adapter["kept"]) == ("plan", "adapter", True)
    assert adapter["sealed"] > plan["sealed"] + 0.1
    kb.runtime("c").refresh()
    assert kb.plan_of("c") == result.plan
    artifact = load_artifact(result.folder)
    assert (result.folder / "adapter.safetensors").exists()
    assert artifact.plan == result.plan
    topics = [0, 1, 2]
    kb.write("c", [Document("new", text_of(topics), "")], wait=True, timeout=60.0)
    hits = kb.search("c", SearchRequest(question_of(topics), 5), OPERATOR).hits
    assert "new" in [hit.chunk.key for hit in hits]
    kb.write("c", [Deletion("new")], wait=True, timeout=60.0)
    back_to_default(kb)


def test_a_serving_adapter_is_what_a_new_run_compares_with(kb: KnowledgeBase) -> None:
    first = tuned(kb, tiers="plan,adapter")
    again = tuned(kb, tiers="plan")
    assert again.incumbent == first.plan
    assert again.metrics["serving"]["ndcg@10"] == pytest.approx(first.metrics["tuned"]["ndcg@10"])
    assert again.plan.adapter == first.plan.adapter
    back_to_default(kb)


def test_the_same_seed_learns_the_same_adapter(kb: KnowledgeBase) -> None:
    one, other = (tuned(kb, tiers="plan,adapter", promote=False) for _ in range(2))
    assert (one.trajectory, one.artifact.digest) == (other.trajectory, other.artifact.digest)
    encoder = kb.open_encoder("hash")
    name = one.plan.adapter
    assert name is not None
    assert load_adapter(kb.settings.data_dir / ARTIFACTS / name, encoder.fingerprint, encoder.dim).encoder


@pytest.mark.parametrize("seed", [0, 1])
def test_shuffled_judgements_promote_nothing_in_any_tier(kb: KnowledgeBase, seed: int) -> None:
    texts, qrels = questions()
    names, judged = list(qrels), list(qrels.values())
    random.Random(seed).shuffle(judged)
    result = tuned(kb, qrels=dict(zip(names, judged, strict=True)), seed=seed, tiers="plan,adapter,graph,encoder")
    assert not result.promoted
    assert result.reasons
    assert kb.catalog.collections.get("c").plan_id is None
    encoder = result.stages[-1]
    assert (encoder["kept"], "no model that can be trained" in encoder["reason"]) == (False, True)


def test_a_network_is_measured_and_told_but_does_not_serve(kb: KnowledgeBase) -> None:
    told: list[dict[str, Any]] = []
    result = tuned(kb, tiers="plan,graph", promote=False, progress=told.append)
    [_, graph] = result.stages
    assert graph["trials"] >= 5
    assert not graph["kept"]
    assert graph["policy"]["policy"] == "controller"
    assert {"plan", "graph"} == {one["tier"] for one in told}
    assert all({"trial", "best", "left"} <= set(one) for one in told)
    archive = Archive(kb.settings.data_dir / "experiments" / "archive.jsonl")
    before = len(archive)
    warm = tuned(kb, tiers="plan,graph", promote=False)
    assert len(archive) == before + 1
    assert warm.stages[1]["policy"]["lessons"] > 0
    assert warm.earlier_runs == before


def test_another_policy_may_choose_on_the_dear_tiers(kb: KnowledgeBase) -> None:
    result = tuned(kb, tiers="plan,graph", promote=False, policy="evolution")
    assert result.stages[1]["policy"]["policy"] == "evolution"


def test_a_corpus_that_changes_meanwhile_disturbs_no_tier(kb: KnowledgeBase) -> None:
    quiet = tuned(kb, tiers="plan,adapter", promote=False)

    def change(told: dict[str, Any]) -> None:
        kb.write("c", [Document(f"x{told['trial']}", "another text altogether", "")])

    changing = tuned(kb, tiers="plan,adapter", promote=False, progress=change)
    assert changing.metrics == quiet.metrics
    held = {document.key for document in documents()}
    with_more = [key for key in (f"x{n}" for n in range(1, changing.trials + 1)) if key not in held]
    kb.write("c", [Deletion(key) for key in with_more], wait=True, timeout=60.0)


def test_stopping_in_a_dear_tier_keeps_what_was_found(kb: KnowledgeBase) -> None:
    texts, qrels = questions()
    began: list[AutoModelTrainer] = []

    def stop(told: dict[str, Any]) -> None:
        if told["tier"] == "graph":
            began[0].stop()

    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    more = {"queries": texts, "qrels": qrels, "tiers": "plan,adapter,graph", "promote": False, "progress": stop}
    began.append(AutoModelTrainer(**QUICK | about | more))
    result = began[0].run()
    assert result.stages[1]["kept"]
    assert result.stages[2]["trials"] == 1
    assert result.plan.adapter is not None


def test_a_full_disk_is_told_and_serving_is_untouched(kb: KnowledgeBase) -> None:
    artifacts = kb.settings.data_dir / ARTIFACTS
    aside = artifacts.rename(artifacts.with_name("aside")) if artifacts.exists() else None
    artifacts.write_text("a file where the folder should be")
    try:
        with pytest.raises(ArtifactError, match="free some space"):
            tuned(kb, tiers="plan,adapter")
    finally:
        artifacts.unlink()
        if aside is not None:
            aside.rename(artifacts)
    assert kb.catalog.collections.get("c").plan_id is None
    assert kb.plan_of("c") == DEFAULT_PLAN


def test_given_parts_are_kept_and_what_they_share_is_told(kb: KnowledgeBase) -> None:
    texts, qrels = questions()
    texts = texts | {"q190": texts["q3"]}
    parts = {name: ("fit", "choose", "sealed")[n % 3] for n, name in enumerate(texts)} | {"q3": "fit", "q190": "sealed"}
    result = tuned(kb, queries=texts, tiers="plan", parts=parts, promote=False)
    split = result.supervision["split"]
    named = list(parts.values())
    assert split["sealed"] == named.count("sealed")
    assert split["fit"] == named.count("fit") - 1  # q3 asks what q190 asks
    assert not split["by_document"]
    assert any("share a relevant document" in note for note in result.supervision["notes"])
    with pytest.raises(SupervisionError, match="part 'train'"):
        tuned(kb, tiers="plan", parts={"q1": "train"})


def test_tiers_are_chosen_by_the_budget_or_by_name() -> None:
    assert parse_tiers("", 30.0) == ("plan",)
    assert parse_tiers("", 300.0) == ("plan", "adapter")
    assert parse_tiers("auto", 1800.0) == ("plan", "adapter", "encoder")
    assert parse_tiers(" graph, adapter ", 600.0) == ("plan", "adapter", "graph")
    with pytest.raises(SearchCoreError, match="tier 'prompt' is not known"):
        parse_tiers("plan,prompt", 600.0)
    with pytest.raises(BudgetError, match="too short for the encoder tier"):
        parse_tiers("encoder", 30.0)
    ends = list(shares(("plan", "adapter", "graph", "encoder")).values())
    assert np.all(np.diff([0.0, *ends, 1.0]) > 0)
