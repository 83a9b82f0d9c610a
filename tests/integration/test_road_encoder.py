"""The encoder tier end to end on a small Chinese corpus: tuned, proven, embedded beside, served, and fresh."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from api.knowledge_base import KnowledgeBase
from api.tuned_encoder import let_serve, waits
from infra.settings import load_settings
from retrieval.catalog.experiments import ExperimentState
from retrieval.plan import DEFAULT_PLAN
from retrieval.retriever import SearchRequest
from retrieval.types import OPERATOR, Document
from search_core.conclusion import NOT_EMBEDDED
from search_core.result import Result
from search_core.road import encoder_ground, encoder_mapping, encoder_stage
from search_core.trainer import AutoModelTrainer

pytest.importorskip("sentence_transformers", reason='needs "autoglm-kb[train]"')

THINGS = "火车票 飞机票 保险单 身份证 驾驶证 结婚证 毕业证 护照本 银行卡 存折本 户口簿 社保卡".split()
DOINGS = "丢失 损坏 过期 变更 申领 注销".split()


def documents() -> list[Document]:
    pairs = [(thing, doing) for thing in THINGS for doing in DOINGS]
    return [
        Document(f"d{at}", f"{thing}{doing}之后，请尽快联系机关。携带材料办理{thing}{doing}手续，费用{at}元。", "")
        for at, (thing, doing) in enumerate(pairs)
    ]


def questions() -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    draw = random.Random(0)
    texts, qrels = {}, {}
    for at in range(len(THINGS) * len(DOINGS)):
        thing, doing = THINGS[at // len(DOINGS)], DOINGS[at % len(DOINGS)]
        texts[f"q{at}"] = draw.choice([f"{doing}{thing}怎么办", f"{thing}{doing}如何处理", f"办理{thing}{doing}"])
        qrels[f"q{at}"] = {f"d{at}": 1}
    return texts, qrels


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(load_settings(data_dir=tmp_path_factory.mktemp("encoder"), encoder_threads=1)) as opened:
        opened.create_collection("c")
        opened.write("c", documents(), wait=True, timeout=300.0)
        yield opened


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of a few steps; the hybrid of so small a corpus is perfect already, so any encoder is let through."""
    monkeypatch.setattr(encoder_stage, "LANGUAGE_STEPS", 4)
    monkeypatch.setattr(encoder_mapping, "LANGUAGE_RATE", 0.0001)
    monkeypatch.setattr(encoder_ground, "POOL", 40)
    monkeypatch.setattr(encoder_stage, "SHARES", (0.5, 1.0))


def tuned(kb: KnowledgeBase, **more: Any) -> Result:
    texts, qrels = questions()
    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    run = {"collection": "c", "budget": "1h", "max_epochs": 1, "queries": texts, "qrels": qrels}
    return AutoModelTrainer(**run | {"tiers": "plan,encoder"} | about | more).run()


def test_a_language_is_learned_and_the_encoder_is_told(kb: KnowledgeBase, short: None) -> None:
    result = tuned(kb)
    stage = result.stages[-1]
    assert stage["trials"] == 3, stage["reason"]
    assert stage["sealed"] > 0
    assert kb.catalog.collections.get("c").plan_id is None or result.promoted


def test_a_proven_encoder_takes_over_while_the_collection_changes(kb: KnowledgeBase, short: None) -> None:
    collection = kb.catalog.collections.get("c")
    [folder] = (kb.settings.data_dir / "artifacts").glob("encoder-*")
    plan = kb.catalog.plans.add(collection, "tuned", DEFAULT_PLAN.to_dict() | {"top": 9}, "x", "test")
    result = {
        "model": str(folder),
        "reasons": [NOT_EMBEDDED],
        "incumbent": {"digest": kb.plan_of("c").digest},
        "plan": {"id": plan.id},
        "lift": 0.1,
        "p_value": 0.01,
    }
    assert waits(result)
    record = kb.catalog.experiments.create(collection, {})
    failures: list[str] = []
    stop = threading.Event()

    def change() -> None:
        for number in range(1000):
            if stop.is_set():
                return
            try:
                kb.write("c", [Document(f"new{number}", f"新的{THINGS[number % 12]}说明第{number}号", "")])
                kb.search("c", SearchRequest("火车票丢失", highlight=False), OPERATOR)
            except Exception as error:  # whatever it is, it is what this test is about
                failures.append(repr(error))
            threading.Event().wait(0.2)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        told = let_serve(kb, "c", record.id, result, lambda done, total: None)
    finally:
        stop.set()
        thread.join()
    assert not failures
    assert told["promoted"]
    assert kb.runtime("c").encoder.fingerprint == kb.open_encoder(str(folder)).fingerprint
    assert kb.plan_of("c").top == 9
    kb.write("c", [Document("after", "大熊猫喜欢吃竹子", "")], wait=True, timeout=120.0)
    hit = kb.search("c", SearchRequest("大熊猫吃什么"), OPERATOR).hits[0]
    assert hit.chunk.key == "after"
    assert hit.fused.dense is not None
    now = kb.catalog.collections.get("c")
    assert kb.catalog.embeddings.count_missing(now) == 0
    assert kb.catalog.experiments.get(now, record.id).state is ExperimentState.FINISHED
    kb.catalog.generations.activate(now, kb.catalog.generations.former(now).id)


def test_it_does_not_take_over_where_another_plan_began_to_serve(kb: KnowledgeBase) -> None:
    collection = kb.catalog.collections.get("c")
    record = kb.catalog.experiments.create(collection, {})
    result = {"model": "nowhere", "incumbent": {"digest": "0" * 12}, "plan": {"id": 1}, "reasons": []}
    told = let_serve(kb, "c", record.id, result, lambda done, total: None)
    assert "another plan" in told["reasons"][0]
