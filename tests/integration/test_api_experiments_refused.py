"""What an experiment cannot be is refused at once, in words, and leaves nothing behind: no experiment, no job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_world import World, check_native_error, world

from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.rollouts import BEGIN_OPTIONS, Stage
from retrieval.plan import Plan
from search_core.artifact.artifacts import RUNS
from search_core.log.run_lock import run_lock


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("kb")) as opened:
        kb = opened.kb
        kb.catalog.eval_sets.create(kb.catalog.collections.get("other"), "theirs", [EvalQuery("q", "what?", {"a": 1})])
        few = [*judged(19), EvalQuery("q19", "judged as wrong", {"a": 0}), EvalQuery("q20", "not judged", {})]
        kb.catalog.eval_sets.create(kb.catalog.collections.get("docs"), "few", few)
        yield opened


def judged(count: int) -> list[EvalQuery]:
    return [EvalQuery(f"q{number}", f"what is {number}?", {"a": 1}) for number in range(count)]


def left_behind(served: World) -> int:
    collection = served.kb.catalog.collections.get("docs")
    return len(served.kb.catalog.experiments.all(collection)) + len(served.kb.catalog.jobs.page(100))


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"search_space": "nowhere"}, 422, "space 'nowhere' is not known here; expected one of"),
        ({"search_space": "../../etc/passwd"}, 422, "search_space"),
        ({"policy": "oracle"}, 422, "policy 'oracle' is not known here; expected one of auto, "),
        ({"task": "make coffee"}, 422, "'make coffee' says nothing that is known here"),
        ({"task": "node-classification"}, 422, "task 'node-classification' is not about a collection"),
        ({"task": "classify what customers want"}, 422, "task 'intent' is not about a collection"),
        ({"budget": "1s"}, 422, "expected at least 5 s"),
        ({"budget": "5000h"}, 422, "expected at most 168 h"),
        ({"budget": "soon"}, 422, "budget"),
        ({"budget": "..5m"}, 422, "is no time"),
        ({"tiers": "moon"}, 422, "moon"),
        ({"task": "find the reply, under 0 ms"}, 422, "asks for at most 0 ms; expected above 0, at most 600000 ms"),
        ({"task": f"find the reply, under {'9' * 400} ms"}, 422, "asks for at most inf ms"),
        ({"device": "nowhere"}, 422, "device 'nowhere' cannot be used"),
        ({"device": "meta"}, 422, "device 'meta' cannot be used"),
        ({"max_epochs": 0}, 422, "max_epochs"),
        ({"seed": -1}, 422, "seed"),
        ({"rollout": "tomorrow"}, 422, "rollout"),
        ({"questions": []}, 422, "questions"),
        ({"eval_set": "gone"}, 404, "evaluation set 'gone' does not exist"),
        ({"eval_set": "theirs"}, 404, "evaluation set 'theirs' does not exist in collection 'docs'"),
        ({"eval_set": "few"}, 422, "set 'few' has 19 judged questions; expected at least 20, better 200: add some"),
        (
            {"eval_set": "few", "made_questions": True},
            422,
            "made_questions asks for questions made from the corpus",
        ),
        ({"task": "answer", "made_questions": True}, 422, "made_questions have no known answers"),
        ({"metric": "map@10"}, 422, "metric"),
        ({"metric": "recall@500"}, 422, "metric 'recall@500' is not known; expected ndcg, mrr, recall with a depth"),
        ({"task": "answer", "metric": "recall@5"}, 422, "judged by the quality of answers; leave metric out"),
        ({"task": "answer", "eval_set": "few"}, 422, "set 'few' has 0 questions with known answers; expected at least"),
        ({"made_questions": "perhaps"}, 422, "made_questions"),
        ({"collection": "absent"}, 404, "absent"),
    ],
)
def test_what_cannot_be_run_is_refused(served: World, wrong: dict[str, Any], status: int, words: str) -> None:
    before = left_behind(served)
    answer = served.call("POST", "/v1/experiments", json={"collection": "docs", "budget": "30s"} | wrong)
    error = check_native_error(answer, status)
    assert words in f"{error['message']} {error.get('detail')}"
    assert left_behind(served) == before


def test_a_job_goes_on_with_an_experiment_that_is_there_and_that_nobody_runs(served: World) -> None:
    docs = served.kb.catalog.collections.get("docs")
    record = served.kb.catalog.experiments.create(docs, {"seed": 7})

    def asked(experiment: str, status: int) -> str:
        body = {"kind": "tune", "collection": "docs", "arguments": {"experiment": experiment}}
        return str(check_native_error(served.call("POST", "/v1/jobs", json=body), status)["message"])

    before = left_behind(served)
    assert "experiment '0000000000000000' does not exist in collection 'docs'" in asked("0" * 16, 404)
    with run_lock(served.kb.settings.data_dir / RUNS / record.id):
        assert f"experiment '{record.id}' is run by `kb tune` now; wait for its end" in asked(record.id, 409)
    assert left_behind(served) == before
    job = served.kb.catalog.jobs.create("tune", "docs", {"experiment": record.id}).id
    assert f"is run by job {job} now" in asked(record.id, 409)
    served.kb.catalog.jobs.cancel(job)


@pytest.mark.parametrize(("key", "status"), [("reader", 403), ("writer", 403), ("elsewhere", 404), (None, 401)])
def test_without_the_right_nothing_begins(served: World, key: str | None, status: int) -> None:
    before = left_behind(served)
    check_native_error(served.call("POST", "/v1/experiments", key, json={"collection": "docs"}), status)
    assert left_behind(served) == before


def test_a_second_rollout_is_refused_before_the_run(served: World) -> None:
    docs, plan = served.kb.catalog.collections.get("docs"), Plan(top=5)
    stored = served.kb.catalog.plans.add(docs, "candidate", plan.to_dict(), plan.digest, "test")
    rollout = served.kb.catalog.rollouts.begin(docs, stored.id, Stage.SHADOW, 0.1, BEGIN_OPTIONS, "test", "")
    before = left_behind(served)
    body = {"collection": "docs", "budget": "30s", "rollout": "canary"}
    error = check_native_error(served.call("POST", "/v1/experiments", json=body), 409)
    assert "a rollout of 'docs' runs already" in error["message"]
    assert left_behind(served) == before
    served.kb.catalog.rollouts.move(rollout, Stage.STOPPED, 0.0, "")


def test_of_several_sets_one_is_named_or_questions_are_made(served: World) -> None:
    docs, sets = served.kb.catalog.collections.get("docs"), served.kb.catalog.eval_sets
    for name in ("first", "second"):
        sets.create(docs, name, judged(20))
    before = left_behind(served)
    body = {"collection": "docs", "budget": "30s"}
    error = check_native_error(served.call("POST", "/v1/experiments", json=body), 422)
    assert "has the evaluation sets first, second with judged questions; name one of them, or ask" in error["message"]
    assert left_behind(served) == before
    began = [
        served.call("POST", "/v1/experiments", json=body | chosen)
        for chosen in ({"eval_set": "first"}, {"made_questions": True})
    ]
    assert [answer.status_code for answer in began] == [202, 202]
    asked = [answer.json()["request"] for answer in began]
    assert [(one["eval_set"], one["made_questions"]) for one in asked] == [("first", False), ("", True)]
    for answer in began:
        served.call("DELETE", f"/v1/jobs/{answer.json()['job']}")
    for name in ("first", "second"):
        sets.drop(docs, name)


def test_comparing_wants_two_that_exist(served: World) -> None:
    docs = served.kb.catalog.collections.get("docs")
    one, other = (served.kb.catalog.experiments.create(docs, {"seed": seed}).id for seed in (1, 2))
    path = f"/v1/experiments/{one}/comparison"
    told = served.call("GET", path, "reader", params={"collection": "docs", "against": other}).json()
    assert {"name": "seed", "one": 1, "other": 2} in told["asked"]
    assert told["parted"] is None and told["both_tried"]["candidates"] == 0
    for against, status in (("0" * 16, 404), ("nonsense", 422), ("", 422)):
        check_native_error(served.call("GET", path, params={"collection": "docs", "against": against}), status)
    check_native_error(served.call("GET", path, params={"collection": "other", "against": other}), 404)
