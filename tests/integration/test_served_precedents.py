"""Judged questions are remembered where that is proven: a question like them then finds what answered them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import Served, in_process

from api.generations.reindex import reindex
from api.wire.presentation import hit_json
from retrieval.answer.types import Ask, FinalAnswer
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.keys import Scope
from retrieval.encoder import ENCODERS
from retrieval.encoder.hashing import HashEncoder
from retrieval.errors import InvalidInputError
from retrieval.learned.files import ARTIFACTS
from retrieval.learned.precedents import Precedents, write_precedents
from retrieval.plan import DEFAULT_PLAN, FusionMethod, PrecedentStep, RerankStep
from retrieval.ranking.rerank import RERANKERS
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Deletion, Document, Principal
from search_core.answering.questions import of_collection
from search_core.artifact.artifact_store import list_artifacts, verified
from search_core.candidate import Candidate, StageReport
from search_core.corpus.snapshot import read_snapshot
from search_core.result import Result
from search_core.stages import adapter_stage, precedent_stage
from search_core.trainer import AutoModelTrainer

OTHER = "hash-of-48"
THEMES = ("pump leaks", "filter clogged", "screen black", "battery swollen", "invoice missing", "parcel late")
ANSWERS = ("valve", "sponge", "backlight", "recycling", "bookkeeping", "courier")  # share no word with the questions
PEOPLE = "Ada Ben Cleo Dan Eve Finn Gus Hal Ida Jo Kim Lou Max Nan Oz Pam".split()
PARTS = ("fit", "choose", "sealed")


def asked(theme: int, person: str) -> str:
    return f"{person} says {THEMES[theme]} again"


def judged() -> dict[str, Any]:
    """Every theme is asked about by sixteen people, a third of them in each part; the same document answers all."""
    named = [(theme, number) for theme in range(len(THEMES)) for number in range(len(PEOPLE))]
    return {
        "queries": {f"{theme}-{number}": asked(theme, PEOPLE[number]) for theme, number in named},
        "qrels": {f"{theme}-{number}": {f"d{theme}": 1} for theme, number in named},
        "parts": {f"{theme}-{number}": PARTS[number % 3] for theme, number in named},
    }


def tuned(served: Served, **more: Any) -> Result:
    kb = served.kb
    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder, "collection": "c"}
    quick = {"tiers": "plan,precedents", "budget": "5m", "max_epochs": 1}
    return AutoModelTrainer(**about | quick | judged() | more).run()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with in_process(tmp_path) as opened:
        opened.kb.create_collection("c")
        answers = [Document(f"d{n}", f"Chapter about {word} in the manual.") for n, word in enumerate(ANSWERS)]
        others = [Document(f"x{n}", f"Chapter about thing {n} in the manual.") for n in range(60)]
        opened.kb.write("c", answers + others, wait=True)
        yield opened


def found(served: Served, question: str, principal: Principal = OPERATOR) -> list[str]:
    return [hit.chunk.key for hit in served.kb.search("c", SearchRequest(question, 3), principal).hits]


def test_what_answered_earlier_questions_answers_new_ones_once_that_is_proven(served: Served) -> None:
    question = asked(3, "Zoe")
    assert "d3" not in found(served, question)
    result = tuned(served)
    assert result.promoted, result.reasons
    [plan, remembered] = result.stages
    assert (plan["tier"], remembered["tier"], remembered["kept"]) == ("plan", "precedents", True)
    assert remembered["sealed"] > plan["sealed"] + 0.3
    step = result.plan.precedents
    assert step is not None and result.best["precedents"] == step.strength
    assert (result.folder / "precedents.safetensors").exists()
    assert {
        one.name: one.trouble for one in map(verified, list_artifacts(served.kb.catalog, served.kb.settings.data_dir))
    }[step.name] == ""
    served.kb.runtime("c").refresh()
    hits = served.kb.search("c", SearchRequest(question, 3), OPERATOR).hits
    [hit] = [hit for hit in hits if hit.chunk.key == "d3"]
    told = hit_json(hit, explain=True)["explain"]["precedents"]
    assert 0.5 < told["nearest"] < 0.99 and 0.5 < told["share"] <= 1.0 and told["contribution"] > 0.1
    assert found(served, "weather in Lisbon on Sunday")[0] not in {f"d{n}" for n in range(len(THEMES))}
    assert tuned(served).stages[1]["kept"] is False, "what serves remembers already"


def test_the_same_seed_remembers_the_same(served: Served) -> None:
    one, other = tuned(served, promote=False), tuned(served, promote=False)
    assert one.plan.precedents is not None
    assert (one.artifact.digest, one.trajectory, one.plan) == (other.artifact.digest, other.trajectory, other.plan)


@pytest.mark.soak
def test_an_adapter_that_was_learned_from_both_parts_serves_beside_them(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')
    learned = list[str | None]()
    stage = adapter_stage.adapter_stage

    def watched(*arguments: Any) -> tuple[Candidate, StageReport]:
        handed_on, report = stage(*arguments)
        assert report.best is not None
        learned.extend((handed_on.plan.adapter, report.best.plan.adapter))
        return handed_on, report

    monkeypatch.setattr(adapter_stage, "adapter_stage", watched)
    monkeypatch.setattr(precedent_stage, "is_better_bet", lambda *_: True)  # the adapter leaves nothing to gain here
    both = tuned(served, tiers="plan,adapter,precedents")
    [of_fit, of_both] = learned
    assert of_fit != of_both == both.plan.adapter and both.plan.precedents is not None
    assert both.metrics["tuned"]["ndcg@10"] > 0.9
    names = {path.name for path in both.folder.iterdir()}
    assert {"adapter.safetensors", "precedents.safetensors"} <= names and both.promoted, both.reasons
    served.kb.runtime("c").refresh()
    assert "d3" in found(served, asked(3, "Zoe"))


def test_noise_is_not_promoted(served: Served) -> None:
    noise = judged()
    order = np.random.default_rng(3).permutation(len(noise["qrels"])).tolist()
    noise["qrels"] = {key: {f"x{at % 60}": 1} for key, at in zip(noise["qrels"], order, strict=True)}
    assert not tuned(served, **noise).promoted


def test_where_the_parts_share_no_document_the_tier_is_left_out(served: Served) -> None:
    apart = judged()
    apart["parts"] = {key: PARTS[int(key.partition("-")[0]) % 3] for key in apart["queries"]}
    [_, remembered] = tuned(served, **apart).stages
    assert not remembered["kept"] and "no two parts share a document" in remembered["reason"]


def test_a_split_by_question_tells_what_remembering_is_worth(served: Served) -> None:
    [_, left_out] = tuned(served, parts=None, promote=False).stages
    assert not left_out["kept"] and "split by question instead" in left_out["reason"]
    result = tuned(served, parts=None, split="question")
    assert result.promoted and result.plan.precedents is not None
    assert not result.supervision["split"]["by_document"] and result.supervision["split"]["shared"] == 1.0
    with pytest.raises(InvalidInputError, match="split is 'day'; expected one of document, question"):
        tuned(served, split="day")


@pytest.fixture
def remembering(served: Served) -> Served:
    """The collection with a plan that remembers one question for d3, which only `staff` may read, and one for d4."""
    served.kb.write("c", [Document("d3", "Chapter about recycling in the manual.", acl=("staff",))], wait=True)
    encoder = served.kb.runtime("c").encoder
    vectors = encoder.encode_queries([asked(3, "Ada"), asked(4, "Ada")])
    kept = Precedents.of(encoder.fingerprint, vectors, [{"d3"}, {"d4"}])
    write_precedents(served.kb.settings.data_dir / ARTIFACTS / "kept", kept)
    promote(served, PrecedentStep("kept", 1.0))
    return served


def promote(served: Served, step: PrecedentStep, fusion: FusionMethod = FusionMethod.CONVEX) -> None:
    plan = replace(DEFAULT_PLAN, precedents=step, fusion=fusion)
    record = served.kb.catalog.collections.get("c")
    stored = served.kb.catalog.plans.add(record, "test", plan.to_dict(), plan.digest, "test")
    served.kb.catalog.plans.promote(record, stored.id, "test", "")
    served.kb.runtime("c").refresh()


def test_rights_deletions_and_changes_hold(remembering: Served) -> None:
    question = asked(3, "Zoe")
    assert "d3" in found(remembering, question)
    assert "d3" in found(remembering, question, Principal("eve", frozenset({"staff"})))
    assert "d3" not in found(remembering, question, Principal("mallory", frozenset({"guests"})))
    remembering.kb.write("c", [Deletion("d3")], wait=True)
    assert "d3" not in found(remembering, question)
    remembering.kb.write("c", [Document("d3", "Chapter about recycling, rewritten.")], wait=True)
    assert "d3" in found(remembering, question)


def test_where_they_cannot_be_read_searches_go_without_and_say_so(remembering: Served) -> None:
    kb, question = remembering.kb, asked(3, "Zoe")
    assert "d3" in found(remembering, question)
    shutil.rmtree(kb.settings.data_dir / ARTIFACTS / "kept")
    promote(remembering, PrecedentStep("gone", 1.0))
    kb.runtime("c").prepare()
    result = kb.search("c", SearchRequest(question, 3), OPERATOR)
    assert result.degraded == ("precedents",) and "d3" not in [hit.chunk.key for hit in result.hits]
    with pytest.raises(InvalidInputError, match=r"gone cannot be read.*kb plans promote"):
        tuned(remembering)
    headers = remembering.headers(Scope.ADMIN)
    back = remembering.client.post("/v1/plans/default/promote", json={"collection": "c"}, headers=headers)
    assert back.status_code == 200
    assert tuned(remembering).plan.precedents is not None


def test_questions_that_differ_in_little_are_not_taken_for_one(served: Served) -> None:
    """Both flights have the same words, so the same vector; a run must see that one answers the other wrongly."""
    served.kb.write("c", [Document(f"f{n}", f"Chapter about thing {n + 100} here.") for n in range(60)], wait=True)
    cities = ("Paris", "London", "Rome", "Berlin", "Madrid", "Vienna", "Athens", "Lisbon", "Warsaw", "Dublin")
    pairs = [(a, b) for a in cities for b in cities if a < b][:30]
    texts = [f"from {a} to {b}" for a, b in pairs] + [f"from {b} to {a}" for a, b in pairs]
    about = {
        "queries": {f"q{n}": text for n, text in enumerate(texts)},
        "qrels": {f"q{n}": {f"f{n}": 1} for n in range(len(texts))},
        "parts": {f"q{n}": PARTS[n % 3] for n in range(30)} | {f"q{n}": PARTS[(n + 1) % 3] for n in range(30, 60)},
    }
    about["qrels"] |= {"q0": {"f0": 1, "f1": 1}}  # a document in two parts, or the tier is left out
    result = tuned(served, **about)
    assert result.plan.precedents is None and not result.stages[1]["kept"]


def test_what_serves_keeps_its_name_in_a_run(remembering: Served) -> None:
    serving = remembering.kb.plan_of("c")
    result = tuned(remembering, tiers="plan", promote=False)
    assert result.incumbent == serving and result.plan.precedents == serving.precedents == PrecedentStep("kept", 1.0)


@pytest.mark.parametrize("fusion", list(FusionMethod))
def test_every_fusion_takes_them(remembering: Served, fusion: FusionMethod) -> None:
    promote(remembering, PrecedentStep("kept", 1.0), fusion)
    assert found(remembering, asked(4, "Zoe"))[0] == "d4"


def test_answer_models_are_chosen_under_the_conditions_of_service(remembering: Served) -> None:
    """`kb tune --task answer`: the passages that serve, those that only precedents find among them, and word counts."""
    kb, plan, question = remembering.kb, remembering.kb.plan_of("c"), asked(4, "Zoe")
    runtime = kb.runtime("c")
    served = kb.answer("c", question, OPERATOR)
    snapshot = read_snapshot(kb.catalog, runtime.collection)
    with closing(snapshot):
        known = [EvalQuery("q", question, {}, ("recycling",))]
        [one] = of_collection(snapshot, plan, runtime.encoder, known, kb.settings.data_dir)
    scores = [hit.score for hit in served.search.hits]  # which of equal ones come last may differ
    assert [passage.score for passage in one.passages] == pytest.approx(scores, abs=1e-5)
    assert one.passages[0].document_id == served.search.hits[0].chunk.key == "d4"
    assert one.statistics is not None
    *_, last = runtime.answerers.of(None).generator.stream(Ask(one.text, one.passages, statistics=one.statistics))
    assert isinstance(last, FinalAnswer)
    assert last.answer.confidence == pytest.approx(served.answer.confidence)
    *_, bare = runtime.answerers.of(None).generator.stream(Ask(one.text, one.passages))
    assert isinstance(bare, FinalAnswer) and bare.answer.confidence != pytest.approx(served.answer.confidence)


class _Longest:
    """Ranks by length, so that no passage stands where the legs put it."""

    def rerank(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        return [float(len(passage)) for passage in passages]


def test_passages_come_in_the_order_of_the_plans_reranker(remembering: Served) -> None:
    if "longest" not in RERANKERS:
        RERANKERS.register("longest", _Longest, "by length")
    kb, question = remembering.kb, asked(4, "Zoe")
    plan = replace(DEFAULT_PLAN, rerank=RerankStep("longest", 20))
    served = kb.answer("c", question, OPERATOR, plan=plan).search.hits
    runtime = kb.runtime("c")
    with closing(read_snapshot(kb.catalog, runtime.collection)) as snapshot:
        known = [EvalQuery("q", question, {}, ("recycling",))]
        [one] = of_collection(snapshot, plan, runtime.encoder, known, kb.settings.data_dir)
    assert [passage.score for passage in one.passages] == [hit.score for hit in served]
    assert one.passages[0].score == len(one.passages[0].text)


def test_another_encoder_takes_over_without_them(remembering: Served) -> None:
    if OTHER not in ENCODERS:
        ENCODERS.register(OTHER, lambda **_: HashEncoder(48), "hashed words in few dimensions")
    evidence = reindex(remembering.kb, "c", {"encoder": OTHER, "force": True}, lambda done, total: None)["evidence"]
    assert evidence["without_adapter"] == "kept"
    body = {"collection": "c", "query": asked(4, "Zoe")}
    headers = remembering.headers(Scope.ADMIN)
    answer = remembering.client.post("/v1/search", json=body, headers=headers)
    assert answer.status_code == 200 and answer.json()["plan"] == DEFAULT_PLAN.digest
    refused = remembering.client.post("/v1/plans:rollback", json={"collection": "c"}, headers=headers)
    assert refused.status_code == 409 and "precedents kept was learned for encoder" in refused.text
