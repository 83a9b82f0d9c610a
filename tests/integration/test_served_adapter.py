"""A plan's query adapter is applied to every search, and a plan whose adapter cannot serve is not promoted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import Served, in_process

from api.generations.reindex import activate_generation, reindex
from api.knowledge_base import KnowledgeBase
from api.plans import rollout_steps as steps
from retrieval.catalog import Collection
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.keys import Scope
from retrieval.catalog.rollouts import Stage
from retrieval.encoder import ENCODERS
from retrieval.encoder.hashing import HashEncoder
from retrieval.errors import ConflictError
from retrieval.learned.adapter import QueryAdapter, write_adapter
from retrieval.learned.files import ARTIFACTS
from retrieval.plan import DEFAULT_PLAN, FusionMethod, Plan
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Document

OTHER = "hash-of-64"
DENSE = replace(DEFAULT_PLAN, fusion=FusionMethod.DENSE, feedback=0.0)


def first(served: Served, adapter: str | None) -> str:
    plan = replace(DENSE, adapter=adapter)
    return served.kb.search("c", SearchRequest("an old pump", 2), OPERATOR, plan=plan).hits[0].chunk.key


def test_the_adapter_turns_the_query(tmp_path: Path) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", [Document("pump", "an old pump"), Document("tea", "green tea leaves")], wait=True)
        encoder = served.kb.runtime("c").encoder
        source, goal = encoder.encode_passages(["an old pump", "green tea leaves"])
        turn = QueryAdapter(encoder.fingerprint, encoder.dim, bias=(3 * (goal - source)).astype(np.float32))
        write_adapter(tmp_path / ARTIFACTS / "turn", turn)
        assert (first(served, None), first(served, "turn")) == ("pump", "tea")
        assert first(served, "absent") == "pump", "searches go on without one that cannot be read"


@pytest.mark.parametrize(("name", "status"), [("mine", 200), ("foreign", 422), ("absent", 422)])
def test_only_an_adapter_that_can_serve_is_promoted(tmp_path: Path, name: str, status: int) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        encoder = served.kb.runtime("c").encoder
        write_adapter(tmp_path / ARTIFACTS / "mine", QueryAdapter(encoder.fingerprint, encoder.dim))
        write_adapter(tmp_path / ARTIFACTS / "foreign", QueryAdapter("0" * 32, encoder.dim))
        headers = served.headers(Scope.ADMIN)
        plan = replace(DENSE, adapter=name).to_dict()
        body = {"collection": "c", "name": name, "plan": plan}
        stored = served.client.post("/v1/plans", json=body, headers=headers).json()["id"]
        answer = served.client.post(f"/v1/plans/{stored}/promote", json={"collection": "c"}, headers=headers)
        assert answer.status_code == status, answer.text
        difference = served.client.get(f"/v1/plans/{stored}/diff", params={"collection": "c"}, headers=headers).json()
        assert {"field": "adapter", "one": name, "other": None} in difference["differences"]


@pytest.fixture
def adapted(tmp_path: Path) -> Iterator[Served]:
    """A collection whose plan, number 1, names an adapter of its encoder."""
    if OTHER not in ENCODERS:
        ENCODERS.register(OTHER, lambda **_: HashEncoder(64), "hashed words in fewer dimensions")
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", [Document("pump", "an old pump"), Document("tea", "green tea leaves")], wait=True)
        encoder = served.kb.runtime("c").encoder
        write_adapter(tmp_path / ARTIFACTS / "mine", QueryAdapter(encoder.fingerprint, encoder.dim))
        promote(served, replace(DENSE, adapter="mine"))
        yield served


def test_a_damaged_adapter_costs_no_search_and_is_told(
    adapted: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / ARTIFACTS / "mine" / "adapter.safetensors"
    whole = file.read_bytes()
    assert not adapted.kb.troubles()
    adapted.kb.runtimes.forget("c")  # as at a restart
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with caplog.at_level("ERROR", "retrieval.learned.parts"):
        for _ in range(2):
            found = ask(adapted, "/v1/search", query="an old pump", collection="c")
            assert found.status_code == 200, found.text
            assert (found.json()["hits"][0]["key"], found.json()["degraded"]) == ("pump", ["adapter"])
        path = {"query": "an old pump", "collection": "c", "key": "tea"}
        assert ask(adapted, "/v1/search/why", **path).status_code == 200
    assert len(caplog.records) == 1
    assert "adapter mine cannot be read" in adapted.kb.troubles()["c"]["adapter"]
    assert adapted.client.get("/readyz").json()["degraded"] == ["adapter"]
    file.write_bytes(whole)
    assert ask(adapted, "/v1/search", query="an old pump", collection="c").json()["degraded"] == []
    assert not adapted.kb.troubles()


def test_a_candidate_without_its_adapter_is_counted_as_failed(adapted: Served) -> None:
    kb, lost = adapted.kb, replace(DENSE, adapter="lost")
    plan = kb.catalog.plans.add(record(adapted), "lost", lost.to_dict(), lost.digest, "test").id
    options = {"unit": "session", "advance_after": 0}
    rollout = kb.catalog.rollouts.begin(record(adapted), plan, Stage.CANARY, 1.0, options, "test", "")
    kb.runtime("c").refresh()
    found = ask(adapted, "/v1/search", query="an old pump", collection="c").json()
    assert (found["arm"], found["degraded"]) == ("serving", [])
    kb.live.tally.hand_over(kb.catalog.rollouts.add)
    assert kb.catalog.rollouts.counts(rollout.id)[Stage.CANARY]["candidate", "errors"] == 1


def record(served: Served) -> Collection:
    return served.kb.catalog.collections.get("c")


def promote(served: Served, plan: Plan) -> int:
    stored = served.kb.catalog.plans.add(record(served), "test", plan.to_dict(), plan.digest, "test")
    served.kb.catalog.plans.promote(record(served), stored.id, "test", "")
    served.kb.runtime("c").refresh()
    return stored.id


def take_over(served: Served, encoder: str) -> dict[str, Any]:
    return reindex(served.kb, "c", {"encoder": encoder}, lambda done, total: None)


def ask(served: Served, path: str, **body: Any) -> Any:
    return served.client.post(path, json=body, headers=served.headers(Scope.ADMIN))


def assert_found(served: Served, adapter: str | None) -> None:
    """Every search is answered, and by a plan with that adapter."""
    for _ in range(5):
        answer = ask(served, "/v1/search", query="an old pump", collection="c")
        assert answer.status_code == 200, answer.text
        assert answer.json()["plan"] == replace(DENSE, adapter=adapter).digest
        assert answer.json()["hits"][0]["key"] == "pump"


def test_another_encoder_takes_over_without_the_adapter_of_the_former(adapted: Served) -> None:
    judged = [EvalQuery("1", "an old pump", {"pump": 1})]
    adapted.kb.catalog.eval_sets.create(record(adapted), "questions", judged)
    assert_found(adapted, "mine")
    evidence = take_over(adapted, OTHER)["evidence"]
    assert evidence["without_adapter"] == "mine"
    assert evidence["serving"]["plan"] != evidence["new"]["plan"], "each is compared as it serves"
    assert_found(adapted, None)
    refused = ask(adapted, "/v1/plans:rollback", collection="c")
    assert refused.status_code == 409 and "adapter mine was learned for encoder" in refused.text
    assert_found(adapted, None)
    back = ask(adapted, "/v1/collections/c/generations:rollback")
    assert back.status_code == 200 and "without_adapter" not in (back.json()["evidence"] or {})
    assert_found(adapted, None)
    assert ask(adapted, "/v1/plans:rollback", collection="c").status_code == 200
    assert_found(adapted, "mine")


def test_who_still_serves_the_former_generation_keeps_his_plan(adapted: Served, tmp_path: Path) -> None:
    """Another process lets the next generation serve, then a plan of its encoder: not every request is there yet."""
    former = adapted.kb.runtime("c")
    built = reindex(adapted.kb, "c", {"encoder": OTHER, "activate": False}, lambda done, total: None)
    with KnowledgeBase.open(adapted.kb.settings) as elsewhere:
        activate_generation(elsewhere, "c", built["id"])
        mine = elsewhere.catalog.collections.get("c")
        write_adapter(tmp_path / ARTIFACTS / "next", QueryAdapter(mine.encoder_fingerprint, 64))
        plan = replace(DENSE, adapter="next")
        stored = elsewhere.catalog.plans.add(mine, "next", plan.to_dict(), plan.digest, "test")
        elsewhere.catalog.plans.promote(mine, stored.id, "test", "")
    former.refresh()
    found = adapted.kb.live.search(former, SearchRequest("an old pump"), OPERATOR)
    assert found.plan.adapter in ("mine", None) and found.degraded == ()  # None: it saw the step between
    adapted.kb.runtimes.refresh("c")
    assert_found(adapted, "next")
    former.refresh()
    assert former.plan.adapter != "next", "a request that began there may not have ended"


def test_a_rollout_is_not_taken_back_to_an_adapter_of_another_encoder(adapted: Served) -> None:
    kb = adapted.kb
    bare = kb.catalog.plans.add(record(adapted), "bare", DENSE.to_dict(), DENSE.digest, "test").id
    begun = steps.begin(kb, record(adapted), bare, "test", stage=Stage.CANARY, share=0.5)
    full = steps.advance(kb, record(adapted), begun, None, "test", "")
    assert "without_adapter" not in take_over(adapted, OTHER)["evidence"]
    with pytest.raises(ConflictError, match=r"plan 1 cannot serve .*generations list.*plans promote"):
        steps.stop(kb, record(adapted), full, "test", "")
    assert_found(adapted, None)
    assert ask(adapted, "/v1/collections/c/generations:rollback").status_code == 200
    steps.stop(kb, record(adapted), full, "test", "")
    assert_found(adapted, "mine")
