"""A plan's query adapter is applied to every search, and a plan whose adapter cannot serve is not promoted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from served import Served, in_process

from retrieval.adapter import ARTIFACTS, QueryAdapter, write_adapter
from retrieval.catalog.keys import Scope
from retrieval.errors import InvalidInputError
from retrieval.plan import DEFAULT_PLAN, FusionMethod
from retrieval.retriever import SearchRequest
from retrieval.types import OPERATOR, Document

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
        with pytest.raises(InvalidInputError, match="adapter absent cannot be read"):
            first(served, "absent")


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
