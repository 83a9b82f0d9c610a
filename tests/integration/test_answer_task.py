"""The answer model that serves is chosen on questions with known answers, and only where it is proven."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import chat_server
import httpx
import pytest
import served
from birds_world import ANSWERS, PRODUCTS, QUERIES, fill
from reader_questions import write_squad
from typer.testing import CliRunner
from waiting import eventually

from api.cli import app
from api.jobs.tasks import InterruptedJobError
from api.plans.rollout_watch import RolloutWatch
from api.quality.answer_evaluation import evaluate_answers
from api.rollout.live import arm_of
from infra.commit import running_commit
from retrieval.answer.choice import AnswerChoice
from retrieval.answer.extractive import ExtractiveGenerator
from retrieval.answer.generated import LanguageModelGenerator
from retrieval.answer.types import AnswerEvent, Ask
from retrieval.catalog.keys import Scope
from retrieval.catalog.rollouts import Stage
from retrieval.errors import InvalidInputError
from retrieval.plan import DEFAULT_PLAN
from retrieval.types import MAX_QUERY_LENGTH, OPERATOR
from search_core.artifact.artifacts import write_artifact
from search_core.errors import SupervisionError
from search_core.log.experiment_log import ExperimentLog
from search_core.request import Request
from search_core.result import Result
from search_core.trainer import AutoModelTrainer


def tune(api: served.Served, **options: Any) -> Result:
    request = Request("answer", collection="birds", budget="4m", queries=QUERIES, answers=ANSWERS, **options)
    trainer = AutoModelTrainer.of(
        request, settings=api.settings, catalog=api.kb.catalog, encoder_of=api.kb.open_encoder
    )
    return trainer.run()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with chat_server.running("24 months [1].") as url:
        yield url


def test_a_better_endpoint_is_proven_and_serves(endpoint: str, tmp_path: Path) -> None:
    with served.in_process(tmp_path, llm_base_url=endpoint, llm_model="good", llm_max_tokens=1_234) as api:
        fill(api)
        result = tune(api)
        assert result.promoted, result.reasons
        assert result.plan.answer is not None and result.plan.answer.generator == "openai"
        assert result.metrics["tuned"]["f1"] > result.metrics["serving"]["f1"]
        assert result.verdict.p_value < 0.05
        asked = [row["answer"] for row in result.leaderboard]
        assert "sentences" in asked
        assert sum(answer.startswith("endpoint") for answer in asked) >= 6  # the default and each slot changed
        manifest = json.loads((result.folder / "manifest.json").read_text())
        assert manifest["commit"] == running_commit()
        first_calls = manifest["cost"]["endpoint_calls"]
        assert first_calls > 0

        api.kb.runtimes.get("birds").refresh()
        body = {"question": QUERIES["q0"], "collection": "birds", "stream": False}
        told = api.client.post("/v1/answers", json=body, headers=api.headers()).json()
        assert told["generator"] == "openai" and "24 months" in told["answer"]
        bodies = [request["body"] for request in httpx.get(f"{endpoint}/requests").json()]
        assert sum(one["max_tokens"] == 1_234 for one in bodies) == first_calls + 1  # in the run, and for the answer

        again = tune(api)  # only what is new is asked, and what serves is not beaten by itself
        manifest = json.loads((again.folder / "manifest.json").read_text())
        assert manifest["cost"]["endpoint_calls"] < first_calls / 4
        assert not again.promoted
        assert again.verdict.p_value == 1.0
        assert (result.verdict.earlier_tests, again.verdict.earlier_tests) == (0, 1)
        record = api.kb.catalog.experiments.get(api.kb.catalog.collections.get("birds"), result.experiment)
        assert record.state == "finished" and record.trials == result.trials


def test_an_endpoint_that_is_away_changes_nothing(tmp_path: Path) -> None:
    """Every reply then comes from sentences, which is no reason to serve an endpoint."""
    with served.in_process(tmp_path, llm_base_url="http://127.0.0.1:9", llm_model="good") as api:
        fill(api)
        result = tune(api)
        assert not result.promoted
        assert result.plan.answer is None or result.plan.answer.generator == "extractive"
        assert api.kb.catalog.collections.get("birds").plan_id is None
        failures = {row["answer"]: row["failures"] for row in result.leaderboard}
        assert failures["sentences"] == 0
        assert all(share == 1 for answer, share in failures.items() if answer != "sentences")


def test_what_is_too_dear_is_not_promoted(endpoint: str, tmp_path: Path) -> None:
    prices = {"llm_prompt_price": 2.0, "llm_completion_price": 8.0}
    with served.in_process(tmp_path, llm_base_url=endpoint, llm_model="good", llm_most_cost=0.001, **prices) as api:
        fill(api)
        result = tune(api)
        assert not result.promoted and api.kb.catalog.collections.get("birds").plan_id is None
        costs = {str(row["answer"]): float(str(row["cost"])) for row in result.leaderboard}
        assert costs["sentences"] == 0
        dear = [row for row in result.leaderboard if str(row["answer"]).startswith("endpoint")]
        for row in dear:  # by hand, of the means that the row shows
            tokens = 2.0 * float(str(row["prompt_tokens"])) + 8.0 * float(str(row["completion_tokens"]))
            assert float(str(row["cost"])) == pytest.approx(1000 * tokens / 1e6, rel=1e-3)
            assert float(str(row["cost"])) > 0.001
    with served.in_process(tmp_path, llm_base_url=endpoint, llm_model="good", llm_most_cost=50.0, **prices) as api:
        result = tune(api)  # every reply is known by now, and counts as if it were asked for
        assert result.promoted, result.reasons
        manifest = json.loads((result.folder / "manifest.json").read_text())
        assert 0.001 < manifest["cost"]["per_1000_questions"]["tuned"] < 50
        assert manifest["cost"]["prices"] == {"prompt": 2.0, "completion": 8.0}


def test_a_wrong_model_is_not_promoted(tmp_path: Path) -> None:
    with chat_server.running("Nobody knows anything about birds [1].") as url:
        with served.in_process(tmp_path, llm_base_url=url, llm_model="good") as api:
            fill(api)
            result = tune(api)
        assert not result.promoted
        assert result.reasons


def test_an_evaluation_set_with_answers_is_what_is_asked(endpoint: str, tmp_path: Path) -> None:
    """Stored over REST, measured by `kb eval`, named by `--eval-set`; a set without answers is told."""
    with served.in_process(tmp_path, llm_base_url=endpoint, llm_model="good") as api:
        fill(api)
        admin = api.headers(Scope.ADMIN)
        queries = [
            {"id": key, "text": text, "answers": ANSWERS[key], "judgements": {PRODUCTS[int(key[1:])]: 1}}
            for key, text in QUERIES.items()
            if key != "w0"
        ]
        queries.append({"id": "none", "text": "Who won the football match?", "answers": []})
        body = {"collection": "birds", "name": "real", "queries": queries}
        api.client.post("/v1/eval-sets", json=body, headers=admin).raise_for_status()
        bad = {"collection": "birds", "text": "Why?"}
        assert "expected one of both" in api.client.post("/v1/eval-sets/real/cases", json=bad, headers=admin).text
        case = bad | {"text": QUERIES["w0"], "answers": ["24 months", "two years"]}
        told = api.client.post("/v1/eval-sets/real/cases", json=case, headers=admin).json()
        assert told["answers"] == ["24 months", "two years"] and told["judgements"] == {}
        shown = api.client.get("/v1/eval-sets/real", params={"collection": "birds"}, headers=admin).json()
        assert {one["id"]: one["answers"] for one in shown["questions"]}["none"] == []
        run = api.client.post("/v1/eval-sets/real/runs", json={"collection": "birds"}, headers=admin).json()
        assert run["queries"] == len(QUERIES) - 1, "only judged questions measure a search"
        api.client.post(
            "/v1/eval-sets/judged/cases",
            json={"collection": "birds", "text": "What?", "judgements": {"owl": 1}},
            headers=admin,
        ).raise_for_status()

        request = Request("answer", collection="birds", budget="4m", eval_set="real")
        given: dict[str, Any] = {"settings": api.settings, "catalog": api.kb.catalog, "encoder_of": api.kb.open_encoder}
        result = AutoModelTrainer.of(request, **given).run()
        assert result.supervision["origin"] == "evaluation set 'real'"
        assert result.supervision["questions"] == len(QUERIES) + 1
        with pytest.raises(SupervisionError, match="evaluation set 'judged' has 0 questions with known answers"):
            AutoModelTrainer.of(replace(request, eval_set="judged"), **given).run()

        questions = api.kb.catalog.eval_sets.queries(
            api.kb.catalog.eval_sets.get(api.kb.catalog.collections.get("birds"), "real")
        )
        sentences, asked = (
            evaluate_answers(api.kb, "birds", questions, OPERATOR, replace(DEFAULT_PLAN, answer=choice))
            for choice in (None, AnswerChoice("openai"))
        )
        assert sentences["questions"] == len(questions)
        assert asked["f1"] > sentences["f1"] and asked["model"].startswith("endpoint")


def test_files_become_a_set_with_answers(tmp_path: Path) -> None:
    with served.in_process(tmp_path / "data") as api:
        fill(api)
    queries, answers = tmp_path / "queries.jsonl", tmp_path / "answers.jsonl"
    queries.write_text("\n".join(json.dumps({"id": key, "text": text}) for key, text in QUERIES.items()))
    answers.write_text("\n".join(json.dumps({"id": key, "answers": right}) for key, right in ANSWERS.items()))
    runner = CliRunner(env={"KB_DATA_DIR": str(tmp_path / "data"), "KB_ENCODER": "hash"})
    files = ["--queries", str(queries), "--answers", str(answers)]
    done = runner.invoke(app, ["eval", *files, "--save", "mine", "-c", "birds", "--json"])
    assert done.exit_code == 0, done.output
    stored = runner.invoke(app, ["eval", "--eval-set", "mine", "-c", "birds", "--json"])
    first, second = (json.loads(one.stdout)["answers"] for one in (done, stored))
    assert first["cited"] == second["cited"] > 0 and first["questions"] == len(QUERIES)
    for wrong in ([], ["--eval-set", "mine", *files], ["--queries", str(queries)]):
        assert runner.invoke(app, ["eval", *wrong, "-c", "birds"]).exit_code != 0


def test_blank_and_endless_questions_stop_no_evaluation(tmp_path: Path) -> None:
    with served.in_process(tmp_path / "data") as api:
        fill(api)
    asked = {"q0": QUERIES["q0"], "blank": " ", "long": QUERIES["q1"] + " please" * MAX_QUERY_LENGTH}
    queries, answers, blank = (tmp_path / name for name in ("queries.jsonl", "answers.jsonl", "blank.tsv"))
    queries.write_text("\n".join(json.dumps({"id": key, "text": text}) for key, text in asked.items()))
    answers.write_text("\n".join(json.dumps({"id": key, "answers": ["24 months"]}) for key in asked))
    blank.write_text("query-id\tcorpus-id\tscore\nblank\towl\t1\n")
    runner = CliRunner(env={"KB_DATA_DIR": str(tmp_path / "data"), "KB_ENCODER": "hash"})
    begin = ["eval", "-c", "birds", "--json", "--queries", str(queries)]
    done = runner.invoke(app, [*begin, "--answers", str(answers)])
    assert done.exit_code == 0, done.output
    values = json.loads(done.stdout)["answers"]
    assert values["questions"] == 3 and 0 < values["cited"] <= 2 / 3
    done = runner.invoke(app, [*begin, "--qrels", str(blank)])
    assert done.exit_code == 0, done.output
    assert (json.loads(done.stdout)["ndcg@10"], json.loads(done.stdout)["p95_ms"]) == (0.0, 0.0)


def rolled_out(api: served.Served) -> tuple[RolloutWatch, dict[str, str]]:
    """A rollout of a plan that lets an endpoint answer; with a watch and the headers of an admin."""
    fill(api)
    admin = api.headers(Scope.ADMIN)
    plan = replace(DEFAULT_PLAN, answer=AnswerChoice("openai")).to_dict()
    body = {"collection": "birds", "name": "endpoint", "plan": plan}
    number = api.client.post("/v1/plans", json=body, headers=admin).json()["id"]
    begin = {"collection": "birds", "stage": "canary", "share": 0.5}

    def begun(**more: Any) -> Any:
        return api.client.post(f"/v1/plans/{number}/rollout", json=begin | more, headers=admin)

    assert "begin with stage canary" in begun(stage="shadow").text
    assert "say how long an answer may take" in begun().text
    told = begun(answer_ms=60_000)
    assert told.status_code == 201, told.text
    assert (told.json()["answers"], told.json()["answer_ms"]) == (True, 60_000)
    return RolloutWatch(api.kb), admin


def test_an_answer_model_goes_out_to_a_share_and_comes_back_for_thumbs_down(endpoint: str, tmp_path: Path) -> None:
    with served.in_process(tmp_path, llm_base_url=endpoint, llm_model="good") as api:
        watch, admin = rolled_out(api)

        def answered(streamed: bool) -> dict[str, str]:
            """Who answers in each session."""
            found = {}
            for number in range(16):
                body = {"question": QUERIES["q0"], "collection": "birds", "stream": streamed}
                headers = admin | {"X-Session-Id": f"s{number}"}
                told = api.client.post("/v1/answers", json=body, headers=headers).text.replace(" ", "")
                found[f"s{number}"] = "endpoint" if '"generator":"openai"' in told else "sentences"
            return found

        arms = answered(streamed=False)
        assert set(arms.values()) == {"endpoint", "sentences"}
        assert answered(streamed=True) == arms
        watch.look()
        shown = api.client.get("/v1/plans/rollout", params={"collection": "birds"}, headers=admin).json()
        (stage,) = shown["stages"]
        by_endpoint = list(arms.values()).count("endpoint")
        assert (stage["candidate"]["answers"], stage["candidate"]["answers_failed"]) == (2 * by_endpoint, 0)
        assert stage["serving"]["answers"] == 2 * (len(arms) - by_endpoint)
        assert {"answers", "answer latency"} <= {check["name"] for check in stage["checks"]}
        (rollout,) = api.kb.catalog.rollouts.running()
        for number in range(80):  # everybody likes sentences, nobody the endpoint
            arm = arm_of(rollout, "test", f"t{number}", "why?")
            api.kb.live.feedback(rollout, arm, 1 if arm == "serving" else -1)
        watch.look()
        ended = api.client.get("/v1/plans/rollout", params={"collection": "birds"}, headers=admin).json()
        assert (ended["stage"], "thumbs down" in ended["reason"]) == ("rolled_back", True)
        api.kb.runtime("birds").refresh()
        assert api.kb.answer("birds", QUERIES["q0"], OPERATOR).search.plan.answer is None


def test_an_answer_model_that_fails_goes_back_and_costs_nobody_an_answer(tmp_path: Path) -> None:
    with served.in_process(tmp_path, llm_base_url="http://127.0.0.1:9", llm_model="good") as api:
        watch, admin = rolled_out(api)
        for number in range(60):
            found = api.kb.answer("birds", QUERIES["q0"], OPERATOR, session=f"s{number}").answer
            assert "24 months" in found.text
        watch.look()
        ended = api.client.get("/v1/plans/rollout", params={"collection": "birds"}, headers=admin).json()
        assert (ended["stage"], "another model" in ended["reason"]) == ("rolled_back", True)


def test_a_thumb_on_an_answer_that_what_serves_gave_instead_is_not_the_candidates(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: LanguageModelGenerator, ask: Ask) -> Iterator[AnswerEvent]:
        raise MemoryError

    with served.in_process(tmp_path, llm_base_url=endpoint, llm_model="good") as api:
        _, admin = rolled_out(api)
        monkeypatch.setattr(LanguageModelGenerator, "stream", broken)
        (rollout,) = api.kb.catalog.rollouts.running()
        key = api.kb.catalog.keys.check(admin["Authorization"].removeprefix("Bearer "))
        assert key is not None  # its id, new in every run, says which sessions the candidate serves
        arms = {f"s{n}": arm_of(rollout, f"key:{key.id}", f"s{n}", QUERIES["q0"]) for n in range(99)}
        session = next(name for name, arm in arms.items() if arm == "candidate")
        headers = admin | {"X-Session-Id": session}
        body = {"question": QUERIES["q0"], "collection": "birds", "stream": False}
        told = api.client.post("/v1/answers", json=body, headers=headers).json()
        assert (told["generator"], told["plan"]) == ("extractive", DEFAULT_PLAN.digest)
        thumb = {"collection": "birds", "query": QUERIES["q0"], "rating": 1, "plan": told["plan"]}
        assert api.client.post("/v1/feedback", json=thumb, headers=headers).status_code == 201

        def counted() -> Mapping[tuple[str, str], float]:
            """What is written; the server's own watch may have it in hand at this moment."""
            api.kb.live.tally.hand_over(api.kb.catalog.rollouts.add)
            return api.kb.catalog.rollouts.counts(rollout.id).get(Stage.CANARY, {})

        expected = {("candidate", "answers_failed"): 1, ("serving", "helpful"): 1}
        counts = eventually(counted, lambda counts: expected.items() <= counts.items())
        assert ("candidate", "helpful") not in counts


def test_a_proven_answer_model_can_go_out_step_by_step(endpoint: str, tmp_path: Path) -> None:
    with served.in_process(tmp_path, llm_base_url=endpoint, llm_model="good") as api:
        fill(api)
        with pytest.raises(InvalidInputError, match="not given twice"):
            tune(api, rollout="shadow")
        result = tune(api, rollout="canary")
        assert not result.promoted and "goes out step by step" in result.reasons[0]
        (rollout,) = api.kb.catalog.rollouts.running()
        assert rollout.plan_id == result.plan_id and rollout.options["answers"] and rollout.options["answer_ms"] > 0


def test_without_known_answers_nothing_is_compared(tmp_path: Path) -> None:
    with served.in_process(tmp_path) as api:
        fill(api)
        request = Request("answer", collection="birds", budget="1m")
        with pytest.raises(SupervisionError, match="no questions with known answers"):
            AutoModelTrainer.of(request, settings=api.settings, catalog=api.kb.catalog).run()


def test_a_run_that_is_stopped_before_it_compared_anything_ends_with_what_serves(tmp_path: Path) -> None:
    with served.in_process(tmp_path) as api:
        fill(api)
        request = Request("answer", collection="birds", budget="1m", queries=QUERIES, answers=ANSWERS)
        trainer = AutoModelTrainer.of(
            request, settings=api.settings, catalog=api.kb.catalog, encoder_of=api.kb.open_encoder
        )
        trainer.stop()
        result = trainer.run()
        assert not result.promoted and result.verdict.p_value == 1.0
        assert "nothing was compared" in result.reasons[0]
        assert result.trials == 0 and result.metrics["tuned"] == result.metrics["serving"]


def test_a_run_that_is_no_longer_wanted_lets_nobody_answer(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Any] = []

    def wanted() -> None:
        if written:
            raise InterruptedJobError

    def write(*about: Any) -> Any:
        written.append(about)
        return write_artifact(*about)

    monkeypatch.setattr("search_core.answering.answer_task.write_artifact", write)
    with served.in_process(tmp_path, llm_base_url=endpoint, llm_model="good") as api:
        fill(api)
        request = Request("answer", collection="birds", budget="4m", queries=QUERIES, answers=ANSWERS)
        trainer = AutoModelTrainer.of(
            request, settings=api.settings, catalog=api.kb.catalog, encoder_of=api.kb.open_encoder, wanted=wanted
        )
        with pytest.raises(InterruptedJobError):
            trainer.run()
        assert written and api.kb.catalog.collections.get("birds").plan_id is None


def test_what_was_opened_is_closed_where_a_run_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    def broken(self: ExtractiveGenerator, ask: Ask) -> Iterator[AnswerEvent]:
        raise MemoryError

    with served.in_process(tmp_path) as api:
        fill(api)
        monkeypatch.setattr(ExtractiveGenerator, "stream", broken)
        monkeypatch.setattr(ExtractiveGenerator, "close", lambda self: closed.append("model"))
        monkeypatch.setattr(ExperimentLog, "close", lambda self: closed.append("log"))
        with pytest.raises(MemoryError):
            tune(api)
        assert closed == ["log", "model"]


def test_named_files_stand_in_for_own_questions(tmp_path: Path) -> None:
    """Without another model, what serves stays."""
    questions = write_squad(tmp_path / "questions.json", articles=6, each=6)
    with served.in_process(tmp_path / "data", reader_questions=str(questions)) as api:
        fill(api)
        request = Request("answer", collection="birds", budget="1m")
        result = AutoModelTrainer.of(
            request, settings=api.settings, catalog=api.kb.catalog, encoder_of=api.kb.open_encoder
        ).run()
        assert not result.promoted
        assert result.supervision["questions"] == 108
        assert result.leaderboard[0]["answer"] == "sentences"
