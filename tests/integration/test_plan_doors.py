"""Every door that lets a plan serve asks the same, and lets in one of two who saw the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from api_world import check_native_error
from rollout_world import MEANING, WORDS, Going, going
from served import in_process
from typer.testing import CliRunner

from api.cli import app
from retrieval.answer.choice import AnswerChoice
from retrieval.catalog.rollouts import Stage
from retrieval.plan import Plan, RerankStep

UNKNOWN = replace(WORDS, rerank=RerankStep("zzz"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Going]:
    with in_process(tmp_path) as opened:
        yield going(opened)


def serving(world: Going) -> int | None:
    return world.served.kb.catalog.collections.get(world.collection).plan_id


def test_a_plan_whose_reranker_does_not_load_serves_nobody(world: Going) -> None:
    catalog, plan = world.served.kb.catalog, world.store("reranked", UNKNOWN)
    found = catalog.collections.get(world.collection)
    for path in (f"/plans/{plan}/promote", f"/plans/{plan}/rollout"):
        assert "unknown reranker" in world.post(path, **({"stage": "canary"} if "rollout" in path else {})).text
    running = catalog.rollouts.begin(found, plan, Stage.CANARY, 0.5, {"unit": "session", "advance_after": 0}, "t", "")
    check_native_error(world.post("/plans/rollout:advance"), 409)
    assert catalog.rollouts.move(running, Stage.STOPPED, 0.0, "")
    catalog.plans.promote(found, plan, "its model is lost", "")
    words = catalog.rollouts.begin(
        found, world.words, Stage.CANARY, 0.5, {"unit": "session", "advance_after": 0}, "t", ""
    )
    assert catalog.plans.complete(found, words, "t", "")
    for path in ("/plans:rollback", "/plans/rollout:stop"):
        refused = world.post(path)
        check_native_error(refused, 409)
        assert "unknown reranker" in refused.text
    assert serving(world) == world.words


@pytest.mark.parametrize(
    ("choice", "named"),
    [(AnswerChoice("reader", "gone"), "reader is 'gone'"), (AnswerChoice("openai"), "KB_LLM_BASE_URL")],
)
def test_a_plan_by_which_nobody_answers_is_refused_but_may_come_back(
    world: Going, choice: AnswerChoice, named: str
) -> None:
    """Sentences stand in for a reader that is lost, so that going back is still possible."""
    plan = world.store("answers", replace(WORDS, answer=choice))
    for path, more in ((f"/plans/{plan}/promote", {}), (f"/plans/{plan}/rollout", {"stage": "canary"})):
        refused = world.post(path, **more)
        check_native_error(refused, 422)
        assert named in refused.text and str(world.served.settings.data_dir) not in refused.text
    catalog = world.served.kb.catalog
    found = catalog.collections.get(world.collection)
    catalog.plans.promote(found, plan, "test", "")
    catalog.plans.promote(found, world.words, "test", "")
    assert world.post("/plans:rollback").status_code == 200
    told = world.posted("/v1/answers", {"question": "pump?", "collection": world.collection, "stream": False})
    assert told["degraded"] and str(world.served.settings.data_dir) not in str(told)


def test_two_who_go_back_at_once_go_back_once(world: Going) -> None:
    assert world.post(f"/plans/{world.words}/promote").status_code == 200
    assert world.post("/plans:rollback").status_code == 200
    for saw in ({}, {"from": world.words}, {"from": "default"}):
        refused = world.post("/plans:rollback", **saw)
        check_native_error(refused, 409)
        assert serving(world) == world.meaning
    check_native_error(world.post(f"/plans/{world.words}/promote", **{"from": world.words}), 409)
    assert world.post("/plans:rollback", **{"from": world.meaning}).status_code == 200
    assert serving(world) == world.words


def test_two_who_advance_at_once_take_one_step(world: Going) -> None:
    world.post(f"/plans/{world.words}/rollout")
    assert world.post("/plans/rollout:advance", **{"from": "shadow"}).json()["stage"] == "canary"
    check_native_error(world.post("/plans/rollout:advance", **{"from": "shadow"}), 409)
    assert world.post("/plans/rollout:advance", **{"from": "canary"}).json()["stage"] == "full"
    check_native_error(world.post("/plans/rollout:stop", **{"from": "canary"}), 409)
    assert serving(world) == world.words


def test_a_rollout_that_plans_were_promoted_after_is_not_taken_back(world: Going) -> None:
    world.post(f"/plans/{world.words}/rollout", stage="canary")
    world.post("/plans/rollout:advance")
    for plan in ("default", world.words):
        world.post(f"/plans/{plan}/promote")
    refused = world.post("/plans/rollout:stop")
    check_native_error(refused, 409)
    assert "roll back instead" in refused.text and serving(world) == world.words


def test_the_command_line_asks_the_same(world: Going, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_DATA_DIR", str(world.served.settings.data_dir))
    monkeypatch.setenv("KB_ENCODER", "hash")

    def kb(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["plans", *words, "-c", world.collection])
        return done.exit_code, done.output + str(done.exception)

    def refused(why: str, *words: str) -> None:
        code, told = kb(*words)
        assert code != 0 and why in told, told

    lost: Plan = replace(MEANING, answer=AnswerChoice("reader", "gone"))
    refused("unknown reranker", "promote", str(world.store("reranked", UNKNOWN)))
    refused("reader is 'gone'", "promote", str(world.store("lost", lost)))
    refused("by now, not default", "promote", str(world.words), "--from", "0")
    assert kb("promote", str(world.words), "--from", str(world.meaning))[0] == 0
    assert kb("roll-back", "--from", str(world.words))[0] == 0
    refused("by now, not", "roll-back", "--from", str(world.words))
    refused("came back", "roll-back")
    assert kb("rollout", str(world.words))[0] == 0
    refused("by now, not canary", "advance", "--from", "canary")
    refused("by now, not full", "stop", "--from", "full")
    assert serving(world) == world.meaning
