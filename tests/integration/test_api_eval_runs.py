"""The history of an evaluation set over REST: kept runs, what changed between two, on which questions, for whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import served
import tuning_world

from api.jobs.kinds import TASKS
from api.quality.eval_history import changed_questions, compare_runs, rights_of
from retrieval.catalog.keys import Scope
from retrieval.catalog.schema import utc_now
from retrieval.evaluation.runs import METRICS
from retrieval.types import OPERATOR, Principal

DOCUMENTS, QUESTIONS = 60, 30
WORDS_ONLY, VECTORS_ONLY = {"fusion": "sparse"}, {"fusion": "dense"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[served.Served]:
    """Documents that only their own words tell apart; hashed vectors follow the words that all share."""
    texts, qrels = tuning_world.questions()
    with served.in_process(tmp_path) as opened:
        admin = opened.headers(Scope.ADMIN)
        opened.client.post("/v1/collections", json={"name": "docs"}, headers=admin).raise_for_status()
        opened.kb.write("docs", tuning_world.documents()[:DOCUMENTS], wait=True)
        queries = [
            {"id": f"q{n}", "text": texts[f"q{n}"] + ("" if n % 2 else "是什么意思？"), "judgements": qrels[f"q{n}"]}
            for n in range(QUESTIONS)
        ]
        body = {"collection": "docs", "name": "real", "queries": queries}
        opened.client.post("/v1/eval-sets", json=body, headers=admin).raise_for_status()
        yield opened


def test_a_run_needs_judged_documents_and_says_so(api: served.Served) -> None:
    queries = [{"id": "a", "text": "how long?", "answers": ["24 months"]}]
    body = {"collection": "docs", "name": "answers", "queries": queries}
    api.client.post("/v1/eval-sets", json=body, headers=api.headers(Scope.ADMIN)).raise_for_status()
    asked = {"collection": "docs"}
    told = api.client.post("/v1/eval-sets/answers/runs", json=asked, headers=api.headers(Scope.WRITE))
    assert told.status_code == 422 and "kb eval --eval-set" in told.json()["error"]["message"]


def run(api: served.Served, headers: dict[str, str], plan: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = api.client.post("/v1/eval-sets/real/runs", json={"collection": "docs", "plan": plan}, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_job_that_is_begun_again_keeps_one_run(api: served.Served) -> None:
    """Whose process died when the run was kept and the job had not ended, beside runs that were asked for anew."""
    task, asked_at = TASKS.create("evaluate"), utc_now()
    arguments = {"eval_set": "real", "plan": WORDS_ONLY, "principal": OPERATOR, "asked_at": asked_at}

    def ran(**changes: Any) -> int:
        found = task.run(api.kb, "docs", arguments | changes, lambda done, total: None)
        return int(found["id"])

    first = ran()
    assert ran() == first
    assert ran(plan=VECTORS_ONLY) == first + 1
    assert ran(plan=VECTORS_ONLY, asked_at=utc_now()) == first + 2, "it was asked for after that one was kept"
    api.kb.write("docs", tuning_world.documents()[DOCUMENTS : DOCUMENTS + 1], wait=True)
    assert ran(plan=VECTORS_ONLY) == first + 3, "the documents are others"


def test_a_worse_plan_shows_as_a_regression_with_its_questions(api: served.Served) -> None:
    writer, reader = api.headers(Scope.WRITE), api.headers()
    first, second = run(api, writer, WORDS_ONLY), run(api, writer, VECTORS_ONLY)
    assert first["change"] is None
    assert first["metrics"]["ndcg@10"] > second["metrics"]["ndcg@10"]
    change = second["change"]
    assert (change["against"], "ndcg@10" in change["worse"], change["better"]) == (first["id"], True, [])
    queries = {one["name"]: one["queries"] for one in first["slices"]}
    assert queries["mixed"] == QUESTIONS / 2 and queries["long"] == QUESTIONS
    assert sum(queries.values()) == 2 * QUESTIONS, "each has a language; that of words which nobody knows is a guess"

    asked = {"collection": "docs"}
    listed = api.client.get("/v1/eval-sets/real/runs", params=asked, headers=reader).json()["runs"]
    assert listed == [second, first]
    path = f"/v1/eval-sets/real/runs/{second['id']}"
    assert api.client.get(path, params=asked, headers=reader).json() == second
    against = asked | {"against": first["id"]}
    compared = api.client.get(f"{path}/comparison", params=against, headers=reader).json()
    metric = compared["metrics"]["ndcg@10"]
    assert (compared["questions"], compared["same_rights"], metric["verdict"]) == (QUESTIONS, True, "worse")
    assert metric["after"] - metric["before"] == pytest.approx(metric["mean"], abs=1e-4)
    assert metric["interval"][0] <= metric["mean"] <= metric["interval"][1] < 0
    assert metric["p_value"] < 0.05 and compared["lost"] > compared["won"]
    for kind in compared["slices"]:  # the means are those of the runs' own slices
        of = {run["id"]: one for run in (first, second) for one in run["slices"] if one["name"] == kind["name"]}
        assert kind["before"] == pytest.approx(of[first["id"]]["metrics"]["ndcg@10"], abs=1e-4)
        assert kind["after"] == pytest.approx(of[second["id"]]["metrics"]["ndcg@10"], abs=1e-4)

    assert api.client.get(f"{path}/questions", params=against, headers=reader).status_code == 403
    seen = pages(api, f"{path}/questions", against, writer)
    assert len({one["id"] for one in seen}) == QUESTIONS
    losses = [one["difference"] for one in seen]
    assert losses == sorted(losses) and losses[0] < 0
    worst = seen[0]
    assert worst["before"]["ndcg@10"] > worst["values"]["ndcg@10"]
    (judged,) = worst["ranks"]
    assert worst["ranks_before"][judged] == 1
    best = api.client.get(f"{path}/questions", params=against | {"order": "best"}, headers=writer).json()["questions"]
    assert [one["id"] for one in best] == [one["id"] for one in seen][::-1]


def pages(api: served.Served, path: str, params: dict[str, Any], headers: dict[str, str]) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    asked = params | {"limit": 10}
    while True:
        page = api.client.get(path, params=asked, headers=headers).json()
        seen += page["questions"]
        if page["next_cursor"] is None:
            return seen
        asked = asked | {"cursor": page["next_cursor"]}


def test_runs_of_other_rights_are_not_what_a_run_is_compared_with(api: served.Served) -> None:
    writer = api.headers(Scope.WRITE)
    first = run(api, writer)
    assert run(api, api.headers(Scope.WRITE, groups=["hr"]))["change"] is None
    assert run(api, writer)["change"]["against"] == first["id"]
    one, other = Principal("a", frozenset({"x", "y"})), Principal("b", frozenset({"y", "x"}))
    assert rights_of(one) == rights_of(other) != rights_of(OPERATOR) == "all"


def test_a_job_keeps_its_run_too_and_a_run_can_be_forgotten(api: served.Served) -> None:
    writer, reader = api.headers(Scope.WRITE), api.headers()
    body = {"collection": "docs", "background": True}
    started = api.client.post("/v1/eval-sets/real/runs", json=body, headers=writer)
    with api.client.stream("GET", f"/v1/jobs/{started.json()['id']}/events", headers=writer) as told:
        told.read()
    (kept,) = api.client.get("/v1/eval-sets/real/runs", params={"collection": "docs"}, headers=reader).json()["runs"]
    job = api.client.get(f"/v1/jobs/{started.json()['id']}", headers=writer).json()
    assert job["result"] == kept
    path = f"/v1/eval-sets/real/runs/{kept['id']}"
    asked = {"collection": "docs"}
    assert api.client.delete(path, params=asked, headers=reader).status_code == 403
    assert api.client.delete(path, params=asked, headers=writer).status_code == 204
    assert api.client.get(path, params=asked, headers=reader).status_code == 404
    assert api.client.get(f"/v1/eval-sets/real/runs/{10**17}", params=asked, headers=reader).status_code == 404


def test_a_stored_plan_is_named_and_a_set_takes_its_runs_along(api: served.Served) -> None:
    admin = api.headers(Scope.ADMIN)
    plan = {"collection": "docs", "name": "words", "plan": WORDS_ONLY}
    stored = api.client.post("/v1/plans", json=plan, headers=admin).json()
    assert run(api, admin)["plan_name"] == "default"
    named = run(api, admin, WORDS_ONLY)
    assert (named["plan_id"], named["plan_name"]) == (stored["id"], "words")
    asked = {"collection": "docs"}
    assert api.client.delete("/v1/eval-sets/real", params=asked, headers=admin).status_code == 204
    assert api.client.get("/v1/eval-sets/real/runs", params=asked, headers=admin).status_code == 404


def row(name: str, judged: dict[str, int]) -> dict[str, Any]:
    """A kept question whose search found a, b and c."""
    found = ["a", "b", "c"]
    values = {name: metric(found, judged) for name, metric in METRICS.items()}
    ranks = {key: found.index(key) + 1 if key in found else None for key in judged}
    return {"id": name, "text": "t", "kinds": ["english"], "values": values, "grades": judged, "ranks": ranks}


def test_runs_without_a_common_question_say_nothing() -> None:
    one = row("a", {"a": 1})
    assert compare_runs([one], [one | {"id": "b"}])["questions"] == 0
    alike = compare_runs([one], [one])
    assert alike["metrics"]["ndcg@10"]["verdict"] == "alike" and alike["metrics"]["ndcg@10"]["p_value"] == 1.0


@pytest.mark.parametrize("anew", [{"a": 1, "z": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}])
def test_judgements_that_were_added_or_changed_are_no_change_of_the_search(anew: dict[str, int]) -> None:
    before = [row(f"q{n}", {"a": 1, "b": 1}) for n in range(30)]
    after = [row(f"q{n}", anew if n < 20 else {"a": 1, "b": 1}) for n in range(30)]
    compared = compare_runs(before, after)
    assert (compared["questions"], compared["left_out"], compared["won"], compared["lost"]) == (10, 20, 0, 0)
    assert compared["metrics"]["ndcg@10"]["verdict"] == compared["slices"][0]["verdict"] == "alike"
    differences = {one["id"]: one["difference"] for one in changed_questions(before, after, "ndcg@10")}
    assert [differences[f"q{n}"] for n in (0, 19, 20)] == [None, None, 0.0]
    reworded = compare_runs(before, [one | {"text": "other"} for one in before])
    assert (reworded["questions"], reworded["left_out"]) == (0, 30)


def test_runs_of_an_earlier_version_are_compared_by_what_is_relevant() -> None:
    old = row("q", {"a": 1})
    del old["grades"]
    assert compare_runs([old], [row("q", {"a": 2})])["questions"] == 1
    assert compare_runs([old], [row("q", {"a": 1, "b": 1})])["left_out"] == 1
