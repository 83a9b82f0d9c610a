"""Experiments over REST: started as a job, watched, read; refused at once where they cannot be run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api_world import SECRET_WORD, world
from fastapi.testclient import TestClient
from tuning_world import questions, tuning_world
from waiting import job_ended

from api.app import create_app
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.keys import Scope
from search_core.request import ANSWER_TASK, Request

PATIENCE_SECONDS = 200.0


def test_an_experiment_runs_as_a_job_and_its_winner_serves(tmp_path: Path) -> None:
    with tuning_world(tmp_path) as kb, TestClient(create_app(kb, kb.settings)) as client:
        texts, qrels = questions()
        collection = kb.catalog.collections.get("c")
        kb.catalog.eval_sets.create(collection, "real", [EvalQuery(name, texts[name], qrels[name]) for name in qrels])
        keys = {scope: kb.catalog.keys.create("test", scope)[1] for scope in Scope}
        admin, reader = ({"Authorization": f"Bearer {keys[scope]}"} for scope in (Scope.ADMIN, Scope.READ))
        body = {"collection": "c", "budget": "60s", "max_epochs": 2, "eval_set": "real", "tiers": "plan"}
        assert client.post("/v1/experiments", json=body, headers=reader).status_code == 403
        for wrong, word in (
            ({"search_space": "nowhere"}, "nowhere"),
            ({"policy": "oracle"}, "oracle"),
            ({"budget": "1s"}, "budget"),
            ({"tiers": "plan,prompt"}, "prompt"),
            ({"task": "make coffee"}, "coffee"),
        ):
            refused = client.post("/v1/experiments", json=body | wrong, headers=admin)
            assert refused.status_code == 422, refused.text
            assert word in refused.json()["error"]["message"]
        assert client.post("/v1/experiments", json=body | {"eval_set": "gone"}, headers=admin).status_code == 404
        started = client.post("/v1/experiments", json=body, headers=admin)
        assert started.status_code == 202, started.text
        path = f"/v1/jobs/{started.json()['job']}"
        job = job_ended(lambda: client.get(path, headers=admin).json(), seconds=PATIENCE_SECONDS)
        assert job["state"] == "succeeded", job["error"]
        path = f"/v1/experiments/{started.json()['id']}"
        shown = client.get(path, params={"collection": "c"}, headers=reader).json()
        assert (shown["state"], shown["promoted"]) == ("finished", True)
        assert shown["picture"].startswith("<svg")
        nodes = {node["name"]: node for node in shown["graph"]["nodes"]}
        assert nodes["fusion"]["value"] == shown["result"]["architecture"]["choices"]["fusion"]
        assert all(0 <= place < len(nodes) for edge in shown["graph"]["edges"] for place in edge)
        assert set(shown["result"]["latency_ms"]) == {"before_ms", "after_ms", "low", "high"}
        assert shown["result"]["tuned"]["ndcg@10"] > shown["result"]["default"]["ndcg@10"]
        assert client.get("/v1/plans", params={"collection": "c"}, headers=reader).json()["serving"]["id"] is not None
        trials: list[dict[str, Any]] = []
        asked: dict[str, Any] = {"collection": "c", "limit": 10}
        while True:
            page = client.get(f"{path}/trials", params=asked, headers=reader).json()
            trials += page["trials"]
            if page["next_cursor"] is None:
                break
            asked["cursor"] = page["next_cursor"]
        assert [trial["number"] for trial in trials] == list(range(1, shown["trials"] + 1))
        assert all(trial["cost"]["serving_ms"] >= 0 for trial in trials)
        listed = client.get("/v1/experiments", params={"collection": "c"}, headers=reader).json()["experiments"]
        assert [one["id"] for one in listed] == [shown["id"]]


def test_readers_see_how_many_questions_were_given_but_not_what_they_tell(tmp_path: Path) -> None:
    asked = Request(
        task=ANSWER_TASK,
        collection="docs",
        queries={"q1": "Who earns 4711 a month?"},
        qrels={"q1": {"secret": 1}},
        answers={"q1": [f"The {SECRET_WORD}"], "q2": []},
        parts={"q1": "sealed"},
    )
    with world(tmp_path) as served:
        experiments = served.kb.catalog.experiments
        record = experiments.create(served.kb.catalog.collections.get("docs"), asked.to_dict())
        for path in ("", f"/{record.id}", f"/{record.id}/comparison"):
            about = {"collection": "docs", "against": record.id}
            shown = served.call("GET", f"/v1/experiments{path}", "reader", params=about)
            assert shown.status_code == 200
            assert SECRET_WORD not in shown.text and "4711" not in shown.text and "q1" not in shown.text
        told = served.call("GET", f"/v1/experiments/{record.id}", "reader", params={"collection": "docs"}).json()
        assert (told["request"]["judged_questions"], told["request"]["answered_questions"]) == (1, 2)
        assert told["request"]["task"] == ANSWER_TASK
