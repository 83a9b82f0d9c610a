"""Feedback, evaluation sets, plans, jobs and the audit log over REST."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import served

from retrieval.catalog.keys import Scope
from retrieval.plan import DEFAULT_PLAN


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[served.Served]:
    with served.in_process(tmp_path_factory.mktemp("operations")) as opened:
        served.fill(opened)
        yield opened


def create(api: served.Served, path: str, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    response = api.client.post(path, json={"collection": "docs", **body}, headers=headers)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def test_feedback_is_kept_and_shown_in_pages(api: served.Served) -> None:
    reader, writer = api.headers(), api.headers(Scope.WRITE)
    given = [create(api, "/v1/feedback", reader, query=f"question {n}", rating=(-1) ** n)["id"] for n in range(5)]
    seen: list[int] = []
    cursor: str | None = None
    while True:
        params = {"collection": "docs", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = api.client.get("/v1/feedback", params=params, headers=writer).json()
        seen += [one["id"] for one in page["feedback"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == given[::-1]
    assert api.client.get("/v1/feedback", params={"collection": "docs"}, headers=reader).status_code == 403


def test_feedback_is_taken_where_the_collection_cannot_be_opened(api: served.Served) -> None:
    """What was stored and answered with an error would be sent again, and count twice."""
    api.kb.catalog.collections.create("lost", "artifacts/encoder-gone", "0" * 64)
    body = {"collection": "lost", "query": "warranty", "rating": 1}
    assert api.client.post("/v1/feedback", json=body, headers=api.headers()).status_code == 201


def test_feedback_becomes_an_evaluation_set(api: served.Served) -> None:
    reader, writer = api.headers(), api.headers(Scope.WRITE)
    body = {"collection": "docs", "name": "rated"}
    nothing = api.client.post("/v1/eval-sets:from-feedback", json=body, headers=writer)
    assert nothing.status_code == 422 and "thumbs up" in nothing.text
    for query, key, rating in (("warranty", "faq/warranty", 1), ("warranty", "faq/zh", -1), ("lunch", "faq/zh", -1)):
        create(api, "/v1/feedback", reader, query=query, document_key=key, rating=rating)
    assert api.client.post("/v1/eval-sets:from-feedback", json=body, headers=reader).status_code == 403
    made = api.client.post("/v1/eval-sets:from-feedback", json=body, headers=writer)
    assert (made.status_code, made.json()["queries"]) == (201, 1)
    asked = api.client.get("/v1/eval-sets/rated", params={"collection": "docs"}, headers=writer).json()["questions"]
    assert [(one["text"], one["judgements"]) for one in asked] == [("warranty", {"faq/warranty": 1, "faq/zh": 0})]
    again = api.client.post("/v1/eval-sets:from-feedback", json=body, headers=writer)
    assert again.status_code == 409 and "rated" in again.text


def test_feedback_does_not_tell_which_documents_there_are(api: served.Served) -> None:
    reader = api.headers()
    answers = [
        api.client.post(
            "/v1/feedback", json={"collection": "docs", "query": "x", "document_key": key, "rating": 1}, headers=reader
        )
        for key in ("hr/salary", "hr/absent")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    told = [answer.json()["error"]["message"] for answer in answers]
    assert told[0].replace("salary", "absent") == told[1]


QUERIES = [
    {"id": "1", "text": "warranty of drives", "judgements": {"faq/warranty": 1}, "answers": ["24 months"]},
    {"id": "2", "text": "驱动器的保修期", "judgements": {"faq/zh": 1}, "answers": None},
]


def test_an_evaluation_set_lives_and_runs(api: served.Served) -> None:
    writer = api.headers(Scope.WRITE)
    create(api, "/v1/eval-sets", writer, name="first", queries=QUERIES)
    twice = api.client.post(
        "/v1/eval-sets", json={"collection": "docs", "name": "first", "queries": QUERIES}, headers=writer
    )
    assert twice.status_code == 409
    shown = api.client.get("/v1/eval-sets/first", params={"collection": "docs"}, headers=writer).json()
    assert shown["questions"] == QUERIES
    run = api.client.post("/v1/eval-sets/first/runs", json={"collection": "docs"}, headers=writer)
    assert run.status_code == 200 and run.json()["queries"] == 2
    assert run.json()["metrics"]["recall@10"] == 1.0
    gone = api.client.delete("/v1/eval-sets/first", params={"collection": "docs"}, headers=writer)
    assert gone.status_code == 204
    again = api.client.post("/v1/eval-sets/first/runs", json={"collection": "docs"}, headers=writer)
    assert again.status_code == 404


def test_a_set_that_cannot_be_stored_is_told_why(api: served.Served) -> None:
    writer = api.headers(Scope.WRITE)
    question = {"id": "q", "text": "warranty", "judgements": {"faq/warranty": 1}}
    body = {"collection": "docs", "name": "twice", "queries": [question] * 3}
    doubled = api.client.post("/v1/eval-sets", json=body, headers=writer)
    assert doubled.status_code == 422
    assert "evaluation set 'twice' names question 'q' 3 times; give each an id" in doubled.json()["error"]["message"]
    body["queries"] = [question]
    assert api.client.post("/v1/eval-sets", json=body, headers=writer).status_code == 201
    taken = api.client.post("/v1/eval-sets", json=body, headers=writer)
    assert taken.status_code == 409
    assert "'twice' exists in collection 'docs' already; choose another name" in taken.json()["error"]["message"]


def test_a_case_is_added_to_a_set_and_judged_again(api: served.Served) -> None:
    writer = api.headers(Scope.WRITE)
    path, question = "/v1/eval-sets/found-wrong/cases", {"collection": "docs", "text": " warranty of drives "}
    first = api.client.post(path, json={**question, "judgements": {"faq/warranty": 0}}, headers=writer)
    assert first.status_code == 200 and first.json()["text"] == "warranty of drives"
    again = {"faq/warranty": 1, "faq/zh": 0}
    second = api.client.post(path, json={**question, "judgements": again}, headers=writer).json()
    assert (second["id"], second["judgements"]) == (first.json()["id"], again)
    other = api.client.post(path, json={**question, "text": "质保", "judgements": {"faq/zh": 1}}, headers=writer).json()
    assert other["id"] != second["id"]
    stored = api.client.get("/v1/eval-sets/found-wrong", params={"collection": "docs"}, headers=writer).json()
    assert {one["text"]: one["judgements"] for one in stored["questions"]} == {
        "warranty of drives": again,
        "质保": {"faq/zh": 1},
    }
    secret = api.client.post(path, json={**question, "judgements": {"hr/salary": 1}}, headers=writer)
    absent = api.client.post(path, json={**question, "judgements": {"hr/absent": 1}}, headers=writer)
    assert secret.status_code == absent.status_code == 404  # nobody learns of what he may not read
    assert api.client.post(path, json={**question, "judgements": {}}, headers=writer).status_code == 422


def test_a_run_in_the_background_is_a_job_with_the_same_result(api: served.Served) -> None:
    writer = api.headers(Scope.WRITE)
    create(api, "/v1/eval-sets", writer, name="first", queries=QUERIES)
    at_once = api.client.post("/v1/eval-sets/first/runs", json={"collection": "docs"}, headers=writer).json()
    started = api.client.post(
        "/v1/eval-sets/first/runs", json={"collection": "docs", "background": True}, headers=writer
    )
    assert started.status_code == 202
    job = api.ended(started.headers["location"], writer)
    assert job["state"] == "succeeded" and job["done"] == job["total"] == 2
    assert job["result"]["metrics"] == at_once["metrics"]
    assert api.client.post(f"{started.headers['location']}/cancel", headers=writer).status_code == 409
    elsewhere = api.headers(Scope.ADMIN, collections=["other"])
    assert api.client.get(started.headers["location"], headers=elsewhere).status_code == 404
    assert api.client.get("/v1/jobs", headers=elsewhere).json()["jobs"] == []


def test_a_plan_is_stored_compared_promoted_and_rolled_back(api: served.Served) -> None:
    admin = api.headers(Scope.ADMIN)
    weight = 0.25
    plan = create(api, "/v1/plans", admin, name="words first", plan={"dense_weight": weight})
    assert plan["serving"] is False
    path = f"/v1/plans/{plan['id']}"
    difference = api.client.get(f"{path}/diff", params={"collection": "docs"}, headers=admin).json()["differences"]
    assert difference == [{"field": "dense_weight", "one": weight, "other": DEFAULT_PLAN.dense_weight}]
    assert digest(api, admin) == DEFAULT_PLAN.digest
    assert plans(api, admin)["former"] is None
    assert api.client.post(f"{path}/promote", json={"collection": "docs"}, headers=admin).json()["serving"] is True
    assert digest(api, admin) == plan["digest"]
    assert (plans(api, admin)["serving"]["id"], plans(api, admin)["former"]["name"]) == (plan["id"], "default")
    rolled = api.client.post("/v1/plans:rollback", json={"collection": "docs"}, headers=admin).json()
    assert rolled["id"] is None and rolled["serving"] is True
    assert plans(api, admin)["former"]["id"] == plan["id"]  # a rollback is taken back by another
    assert digest(api, admin) == DEFAULT_PLAN.digest


def plans(api: served.Served, headers: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = api.client.get("/v1/plans", params={"collection": "docs"}, headers=headers).json()
    return found


def digest(api: served.Served, headers: dict[str, str]) -> str:
    found = api.client.post("/v1/search", json={"query": "warranty", "collection": "docs"}, headers=headers)
    return str(found.json()["plan"])


def test_plans_that_make_no_sense_or_are_not_there(api: served.Served) -> None:
    admin = api.headers(Scope.ADMIN)
    wrong = api.client.post(
        "/v1/plans", json={"collection": "docs", "name": "x", "plan": {"dense_weight": 7}}, headers=admin
    )
    assert wrong.status_code == 422 and "dense_weight" in wrong.json()["error"]["message"]
    assert api.client.post("/v1/plans:rollback", json={"collection": "docs"}, headers=admin).status_code == 409
    assert api.client.get("/v1/plans/99", params={"collection": "docs"}, headers=admin).status_code == 404
    assert api.client.post("/v1/plans/99/promote", json={"collection": "docs"}, headers=admin).status_code == 404
    writer = api.headers(Scope.WRITE)
    assert api.client.post("/v1/plans/1/promote", json={"collection": "docs"}, headers=writer).status_code == 403


def test_only_an_administrator_says_which_model_a_search_loads(api: served.Served) -> None:
    admin, writer, reader = (api.headers(scope) for scope in (Scope.ADMIN, Scope.WRITE, Scope.READ))
    named = {"rerank": {"name": "cross-encoder:/nowhere"}}

    def asked(path: str, headers: dict[str, str], **body: Any) -> tuple[int, str]:
        response = api.client.post(path, json={"collection": "docs", **body}, headers=headers)
        return response.status_code, str(response.json().get("error", {}).get("message"))

    search = {"query": "warranty", "plan": named}
    for path, more in (("/v1/search", search), ("/v1/search/why", search | {"key": "x"})):
        assert asked(path, reader, **more)[0] == asked(path, writer, **more)[0] == 403
    assert asked("/v1/plans", writer, name="x", plan=named)[0] == 403
    questions = [{"id": "q", "text": "warranty", "judgements": {"x": 1}}]
    create(api, "/v1/eval-sets", writer, name="mine", queries=questions)
    assert asked("/v1/eval-sets/mine/runs", writer, plan=named)[0] == 403
    assert asked("/v1/jobs", writer, kind="evaluate", arguments={"eval_set": "mine", "plan": named})[0] == 403
    for kind, expected in (("cross-encoder", "kind:model"), ("cross-encoder:/nowhere", "cannot be loaded")):
        status, message = asked("/v1/search", admin, query="warranty", plan={"rerank": {"name": kind}})
        assert status == 422 and repr(kind) in message and expected in message
    stored = create(api, "/v1/plans", admin, name="x", plan=named)
    assert asked("/v1/search", reader, **search)[0] == 422, "an administrator has named it: only its folder is missing"
    status, message = asked(f"/v1/plans/{stored['id']}/promote", admin)
    assert status == 422 and "cannot be loaded" in message
    assert digest(api, admin) == DEFAULT_PLAN.digest


def test_the_audit_log_has_writes_and_denials_and_no_secrets(api: served.Served) -> None:
    admin, reader = api.headers(Scope.ADMIN), api.headers()
    create(api, "/v1/plans", admin, name="x", plan={})
    api.client.post("/v1/plans/1/promote", json={"collection": "docs"}, headers=reader | {"X-Request-Id": "denied-1"})
    api.client.post("/v1/search", json={"query": "not recorded", "collection": "docs"}, headers=reader)
    log = api.client.get("/v1/audit", headers=admin)
    acts = log.json()["audit"]
    assert acts[0]["request_id"] == "denied-1" and acts[0]["detail"]["status"] == 403
    assert acts[1]["target"] == "docs" and acts[1]["detail"]["status"] == 201
    assert "not recorded" not in log.text
    assert not any(key.removeprefix("Bearer ") in log.text for key in (admin["Authorization"], reader["Authorization"]))
    assert api.client.get("/v1/audit", headers=api.headers(Scope.ADMIN, collections=["docs"])).status_code == 403
