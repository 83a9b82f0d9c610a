"""A served collection with two plans that answer differently, and callers in sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import served
from httpx import Response

from api.plans.rollout_watch import RolloutWatch
from retrieval.catalog.keys import Scope
from retrieval.plan import DEFAULT_PLAN, FusionMethod, Plan
from retrieval.types import Document

WORDS = replace(DEFAULT_PLAN, fusion=FusionMethod.SPARSE, feedback=0.0)
MEANING = replace(DEFAULT_PLAN, fusion=FusionMethod.DENSE, feedback=0.0)
OLD = {"age": {"$eq": "old"}}  # what the comparisons see: documents that come later do not move their answers
SUBJECTS = ("pump", "valve", "drive", "sensor", "brake", "gateway")


def documents() -> Iterator[Document]:
    """Equally long texts that hold their subject once, twice, … so that words rank them one way only."""
    for subject in SUBJECTS:
        for times in range(1, 9):
            rest = [f"{subject}part{times}x{number}" for number in range(12 - times)]
            text = " ".join([*[subject] * times, *rest])
            yield Document(f"{subject}/{times}", text, metadata={"age": "old"})


@dataclass(frozen=True)
class Going:
    """A served collection, with the plan `words` stored beside `meaning`, which serves."""

    served: served.Served
    collection: str
    admin: dict[str, str]
    meaning: int
    words: int
    watch: RolloutWatch

    def post(self, path: str, **body: Any) -> Response:
        return self.served.client.post(f"/v1{path}", json={"collection": self.collection, **body}, headers=self.admin)

    def rollout(self, **params: Any) -> dict[str, Any]:
        answer = self.served.client.get("/v1/plans/rollout", params={"collection": self.collection}, headers=self.admin)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def search(self, query: str, session: str = "", **more: Any) -> dict[str, Any]:
        body = {"query": query, "collection": self.collection, **more}
        return self.posted("/v1/search", body, {"X-Session-Id": session} if session else None)

    def posted(self, path: str, body: dict[str, Any], more: dict[str, str] | None = None) -> dict[str, Any]:
        """The answer of any contract's route to an admin's request with more headers."""
        answer = self.served.client.post(path, json=body, headers=self.admin | (more or {}))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def store(self, name: str, plan: Plan) -> int:
        answer = self.post("/plans", name=name, plan=plan.to_dict())
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])


def going(opened: served.Served, collection: str = "docs") -> Going:
    """A collection of its own. The server's watch acts too, perhaps before a test looks itself."""
    opened.kb.create_collection(collection)
    opened.kb.write(collection, list(documents()), wait=True)
    made = Going(opened, collection, opened.headers(Scope.ADMIN), 0, 0, RolloutWatch(opened.kb))
    made = replace(made, meaning=made.store("meaning", MEANING), words=made.store("words", WORDS))
    assert made.post(f"/plans/{made.meaning}/promote").status_code == 200
    return made


def keys_of(result: dict[str, Any]) -> list[str]:
    return [hit["key"] for hit in result["hits"]]
