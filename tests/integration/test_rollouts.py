"""Rollouts over REST: nobody sees a shadow, a session keeps to one plan, what is worse goes back by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from api_world import check_native_error
from rollout_world import MEANING, SUBJECTS, WORDS, Going, documents, going, keys_of
from served import Served, in_process
from typer.testing import CliRunner
from waiting import eventually

from api.cli import app
from api.knowledge_base import KnowledgeBase
from api.plans import rollout_steps as steps
from api.plans.rollout_watch import RolloutWatch
from infra.settings import Settings
from retrieval.catalog import sqlite_url
from retrieval.catalog.rollouts import Stage
from retrieval.plan import DEFAULT_PLAN, PrecedentStep, RerankStep
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Principal

SESSIONS = [f"session-{number}" for number in range(40)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with in_process(tmp_path_factory.mktemp("kb")) as opened:
        yield opened


@pytest.fixture
def world(served: Served) -> Going:
    return going(served, f"docs{len(served.kb.catalog.collections.all())}")


def stage_of(rollout: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (stage for stage in rollout["stages"] if stage["stage"] == name)
    return found


def alerts_of(world: Going, code: str) -> list[dict[str, Any]]:
    overview = world.served.client.get("/v1/overview", headers=world.admin).json()
    return [one for one in overview["alerts"] if (one["code"], one["collection"]) == (code, world.collection)]


def test_nobody_sees_a_shadow_and_it_is_compared(world: Going) -> None:
    begun = world.post(f"/plans/{world.words}/rollout", share=1.0, reason="try words")
    assert begun.status_code == 201, begun.text
    assert (begun.json()["stage"], begun.json()["previous_id"]) == ("shadow", world.meaning)

    def compared() -> bool:
        for subject in SUBJECTS:
            result = world.search(subject)
            assert result["plan"] == MEANING.digest and "arm" not in result
        world.watch.look()
        return stage_of(world.rollout(), "shadow")["pairs"] >= 20

    eventually(compared)
    shadow = stage_of(world.rollout(), "shadow")
    assert shadow["candidate"]["searches"] == shadow["serving"]["searches"] == shadow["pairs"]
    assert shadow["candidate"]["errors"] == shadow["candidate"]["empty"] == 0
    assert shadow["candidate"]["p50_ms"] > 0
    expected = [
        len(set(keys_of(world.search(subject, plan=world.words))) & set(keys_of(world.search(subject)))) / 10
        for subject in SUBJECTS
    ]
    assert min(expected) <= shadow["overlap"] <= max(expected)


def test_a_session_keeps_to_one_plan_while_the_share_grows(world: Going) -> None:
    assert world.post(f"/plans/{world.words}/rollout", stage="canary", share=0.3).status_code == 201

    def asked() -> dict[str, str]:
        served_by: dict[str, str] = {}
        for session in SESSIONS:
            for subject in SUBJECTS[:3]:
                result = world.search(subject, session)
                named = WORDS if result["arm"] == "candidate" else MEANING
                number = world.words if result["arm"] == "candidate" else world.meaning
                assert result["plan"] == named.digest
                assert keys_of(result) == keys_of(world.search(subject, plan=number))
                assert served_by.setdefault(session, result["arm"]) == result["arm"]
        return served_by

    first = asked()
    chosen = {session for session, arm in first.items() if arm == "candidate"}
    assert 0 < len(chosen) < len(SESSIONS)
    assert asked() == first
    check_native_error(world.post("/plans/rollout:advance", share=0.3), 422)
    assert world.post("/plans/rollout:advance", share=0.7).json()["share"] == 0.7
    more = {session for session, arm in asked().items() if arm == "candidate"}
    assert chosen < more
    assert world.post("/plans/rollout:advance", reason="good").json()["stage"] == "full"
    assert {world.search("pump", session)["plan"] for session in SESSIONS} == {WORDS.digest}
    assert "arm" not in world.search("pump")


def test_a_session_keeps_to_its_plan_through_every_contract(world: Going) -> None:
    """OpenAI's, Dify's and MCP's, by the header or by what OpenAI's clients say of their user."""
    world.post(f"/plans/{world.words}/rollout", stage="canary", share=0.5)
    arms = {session: world.search("pump", session)["arm"] for session in SESSIONS[:12]}
    assert set(arms.values()) == {"serving", "candidate"}
    keys = {
        arm: keys_of(world.search("pump", plan=plan))
        for arm, plan in {"serving": world.meaning, "candidate": world.words}.items()
    }
    assert keys["serving"] != keys["candidate"]
    asked = {"knowledge_id": world.collection, "query": "pump"}
    call = {"name": "search", "arguments": {"collection": world.collection, "query": "pump"}}
    for session, arm in arms.items():
        named = {"X-Session-Id": session}
        dify = world.posted("/v1/retrieval", {**asked, "retrieval_setting": {"top_k": 8, "score_threshold": 0}}, named)
        found = [one["metadata"]["document_id"].rpartition("pump/")[2] for one in dify["records"]]
        assert found == [key.removeprefix("pump/") for key in keys[arm][:8]]
        mcp = world.posted("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}, named)
        assert keys_of(mcp["result"]["structuredContent"]) == keys[arm]
    world.watch.look()
    before = stage_of(world.rollout(), "canary")
    question = {"model": world.collection, "messages": [{"role": "user", "content": "pump"}]}
    for session in arms:
        world.posted("/v1/chat/completions", question | {"user": session})
        world.posted("/v1/chat/completions", question | {"user": "whoever"}, {"X-Session-Id": session})
    world.watch.look()
    after = stage_of(world.rollout(), "canary")
    for arm in keys:
        assert after[arm]["searches"] - before[arm]["searches"] == 2 * list(arms.values()).count(arm)


def test_by_query_one_key_is_served_by_both(world: Going) -> None:
    world.post(f"/plans/{world.words}/rollout", stage="canary", share=0.5, unit="query")
    arms = [[world.search(f"{subject} {number}")["arm"] for number in range(5)] for subject in SUBJECTS]
    assert {arm for row in arms for arm in row} == {"serving", "candidate"}
    assert arms == [[world.search(f"{subject} {number}")["arm"] for number in range(5)] for subject in SUBJECTS]


def test_by_query_thumbs_on_follow_up_questions_count_for_the_plan_that_answered(world: Going) -> None:
    """What is searched for names the pump of the conversation; who judges the answer names what he asked."""
    world.post(f"/plans/{world.words}/rollout", stage="canary", share=0.5, unit="query")
    turns = [{"role": "user", "text": "Tell me of the pump"}, {"role": "assistant", "text": "A pump."}]
    arms = {"serving": 0, "candidate": 0}
    for number in range(20):
        question = f"what about its part {number}?"
        body = {"collection": world.collection, "question": question, "history": turns, "stream": False}
        arm = "candidate" if world.posted("/v1/answers", body)["plan"] == WORDS.digest else "serving"
        arms[arm] += 1
        if arm == "candidate":
            assert world.post("/feedback", query=question, rating=1).status_code == 201
    assert all(arms.values())
    eventually(lambda: helpful_of(world, "candidate") + helpful_of(world, "serving") == arms["candidate"])
    assert helpful_of(world, "serving") == 0


def test_a_thumb_counts_for_the_plan_that_answered_whatever_serves_by_now(world: Going) -> None:
    """A plan that the answer names may have served before the canary began, before its share grew, or in neither."""

    def thumb(session: str, plan: str | None) -> None:
        body = {"collection": world.collection, "query": "pump", "rating": 1, "plan": plan}
        assert world.served.client.post(
            "/v1/feedback", json=body, headers=world.admin | {"X-Session-Id": session}
        ).is_success

    before = world.search("pump", "somebody")["plan"]
    world.post(f"/plans/{world.words}/rollout", stage="canary", share=0.99)
    chosen = [session for session in SESSIONS if world.search("pump", session)["arm"] == "candidate"]
    for session in chosen[:3]:
        thumb(session, before)
    thumb(chosen[3], world.search("pump", chosen[3])["plan"])
    thumb(chosen[4], DEFAULT_PLAN.digest)  # as it served before another was promoted
    thumb(chosen[5], None)
    eventually(lambda: helpful_of(world, "serving") + helpful_of(world, "candidate") == 5)
    assert helpful_of(world, "serving") == 3


def helpful_of(world: Going, arm: str) -> float:
    world.watch.look()  # unless the server's own was first
    return float(stage_of(world.rollout(), "canary")[arm]["helpful"])


def test_a_candidate_that_fails_costs_nobody_his_answer_and_goes_back(world: Going) -> None:
    broken = world.store("broken", replace(WORDS, rerank=RerankStep("no-such-reranker")))
    catalog = world.served.kb.catalog  # its model is lost once it runs: to begin with it is refused
    found, options = catalog.collections.get(world.collection), {"unit": "session", "advance_after": 0}
    catalog.rollouts.begin(found, broken, Stage.CANARY, 0.5, options, "test", "")
    world.served.kb.runtime(world.collection).refresh()
    for _ in range(3):
        for session in SESSIONS:
            result = world.search("pump", session)
            assert result["plan"] == MEANING.digest and result.get("arm") != "candidate"
    world.watch.look()  # unless the server's own was first
    ended = world.rollout()
    assert ended["stage"] == "rolled_back" and "failed searches" in ended["reason"]
    assert "arm" not in world.search("pump", SESSIONS[0])
    acts = [act for act in world.served.kb.catalog.audit.page() if act.action == "plans.rollout roll back"]
    acts = [act for act in acts if act.target.startswith(f"{world.collection}/")]
    assert len(acts) == 1 and "failed searches" in acts[0].detail["reason"]
    eventually(lambda: len(alerts_of(world, "rollout_rolled_back")) == 1)  # the server looks around every second
    (alert,) = alerts_of(world, "rollout_rolled_back")
    assert alert["severity"] == "warning" and "failed searches" in alert["message"]
    metrics = world.served.client.get("/metrics", headers=world.admin).text
    assert f'kb_rollout_rolled_back{{collection="{world.collection}"}} 1.0' in metrics


def test_a_candidate_that_finds_nothing_goes_back(world: Going) -> None:
    world.post(f"/plans/{world.words}/rollout", stage="canary", share=0.5)
    for session in SESSIONS:
        world.search("nothingofthiskind", session)  # vectors find something for any word
    world.watch.look()
    ended = world.rollout()
    assert ended["stage"] == "rolled_back" and "searches without a hit" in ended["reason"]
    assert [check["name"] for check in stage_of(ended, "canary")["checks"] if check["is_worse"]] == ["empty"]


def test_a_shadow_that_finds_nothing_never_reaches_anybody(world: Going) -> None:
    world.post(f"/plans/{world.words}/rollout", share=1.0, advance_after=100_000)

    def is_over() -> bool:
        for letter in "abcdefghij":
            assert keys_of(world.search(f"nothingofthiskind{letter}"))
        world.watch.look()
        return bool(world.rollout()["stage"] == "rolled_back")

    eventually(is_over)
    assert "shadow: searches without a hit" in world.rollout()["reason"]


def test_thumbs_down_take_a_plan_back(world: Going) -> None:
    world.post(f"/plans/{world.words}/rollout", stage="canary", share=0.5)
    for session in SESSIONS:
        arm = world.search("pump", session).get("arm")
        body = {"collection": world.collection, "query": "pump", "rating": -1 if arm == "candidate" else 1}
        headers = world.admin | {"X-Session-Id": session}
        assert world.served.client.post("/v1/feedback", json=body, headers=headers).status_code == 201
    world.watch.look()
    ended = world.rollout()
    assert ended["stage"] == "rolled_back" and "thumbs down" in ended["reason"]


def test_what_is_no_worse_goes_on_by_itself(world: Going) -> None:
    world.post(f"/plans/{world.words}/rollout", stage="canary", share=0.5, advance_after=20)
    for session in SESSIONS:
        world.search("pump", session)
        world.search("valve", session)
    world.watch.look()
    assert world.rollout()["stage"] == "full"
    assert world.search("pump")["plan"] == WORDS.digest


def test_a_shadow_of_all_becomes_a_small_canary_that_waits_for_both_plans(world: Going) -> None:
    world.post(f"/plans/{world.words}/rollout", share=1.0, advance_after=20)
    rollouts, number = world.served.kb.catalog.rollouts, world.rollout()["id"]
    rollouts.add(number, Stage.SHADOW, {("pair", "pairs"): 20.0})
    eventually(lambda: bool(world.rollout()["stage"] == "canary"))  # the server's watch acts
    assert world.rollout()["share"] == 0.1
    rollouts.add(number, Stage.CANARY, {("candidate", "searches"): 500.0, ("serving", "searches"): 19.0})
    world.watch.look()
    assert world.rollout()["stage"] == "canary"
    rollouts.add(number, Stage.CANARY, {("serving", "searches"): 1.0})
    eventually(lambda: bool(world.rollout()["stage"] == "full"))


def test_one_that_cannot_go_on_keeps_no_other_from_being_judged(
    world: Going, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """The first, whose plan's adapter is lost, has earned to reach everybody; the second fails every search."""
    catalog, other = served.kb.catalog, going(served, "other")
    first, second = (catalog.collections.get(name) for name in (world.collection, other.collection))
    lost = replace(WORDS, adapter="ad-0123456789ab")
    plan = catalog.plans.add(first, "lost", lost.to_dict(), lost.digest, "test")
    cannot = catalog.rollouts.begin(first, plan.id, Stage.CANARY, 0.5, {"unit": "session", "advance_after": 5}, "t", "")
    fails = catalog.rollouts.begin(second, other.words, Stage.CANARY, 0.5, {"unit": "session"}, "t", "")
    catalog.rollouts.add(cannot.id, Stage.CANARY, {(arm, "searches"): 60.0 for arm in ("candidate", "serving")})
    searches = {(arm, "searches"): 200.0 for arm in ("candidate", "serving")}
    catalog.rollouts.add(fails.id, Stage.CANARY, searches | {("candidate", "errors"): 200.0})
    watch = RolloutWatch(served.kb)
    with caplog.at_level(logging.WARNING, "api.plans.rollout_watch"):
        for _ in range(3):
            watch.look()
    assert catalog.rollouts.get(second, fails.id).stage is Stage.ROLLED_BACK
    assert catalog.rollouts.get(first, cannot.id).stage is Stage.CANARY
    said = [record.getMessage() for record in caplog.records if record.name == "api.plans.rollout_watch"]
    assert 1 <= len(said) <= 2  # once each: the server's own watch may say it, too
    assert all(f"rollout {cannot.id} of plan {plan.id}" in one and "ad-0123456789ab" in one for one in said)
    assert world.post("/plans/rollout:stop").status_code == 200


@pytest.mark.parametrize("part", [{"adapter": "lost"}, {"ranker": "lost"}, {"precedents": PrecedentStep("lost")}])
def test_a_plan_whose_learned_part_is_lost_serves_nobody(world: Going, part: dict[str, Any]) -> None:
    catalog, lost = world.served.kb.catalog, replace(MEANING, **part)
    collection = catalog.collections.get(world.collection)
    plan = catalog.plans.add(collection, "lost", lost.to_dict(), lost.digest, "test")
    catalog.rollouts.begin(collection, plan.id, Stage.CANARY, 0.9, {"unit": "session", "advance_after": 0}, "test", "")
    world.served.kb.runtime(world.collection).refresh()
    found = [world.search("pump", session) for session in SESSIONS]
    assert {one["plan"] for one in found} == {MEANING.digest}
    assert {one.get("arm", "serving") for one in found} == {"serving"}  # none after a roll-back
    world.watch.look()
    assert stage_of(world.rollout(), "canary")["candidate"]["errors"] > 0


def test_a_person_may_end_it_at_every_stage(world: Going) -> None:
    for stage in ("shadow", "canary"):
        world.post(f"/plans/{world.words}/rollout", stage=stage, share=1.0)
        assert world.post("/plans/rollout:stop", reason="not now").json()["stage"] == "stopped"
        assert world.search("pump")["plan"] == MEANING.digest
    world.post(f"/plans/{world.words}/rollout", stage="canary", share=0.5)
    world.post("/plans/rollout:advance")
    assert world.search("pump")["plan"] == WORDS.digest
    assert world.post("/plans/rollout:stop", reason="they dislike it").status_code == 200
    assert world.search("pump")["plan"] == MEANING.digest
    check_native_error(world.post("/plans/rollout:stop"), 409)
    asked = {"params": {"collection": world.collection}, "headers": world.admin}
    listed = world.served.client.get("/v1/plans/rollouts", **asked).json()  # type: ignore[arg-type]
    assert [one["stage"] for one in listed["rollouts"]] == ["stopped", "stopped", "stopped"]
    assert listed["rollouts"][0]["reason"] == "they dislike it"


def test_what_cannot_go_out_is_refused(world: Going) -> None:
    check_native_error(world.post("/plans/rollout:advance"), 404)
    check_native_error(world.post("/plans/999/rollout"), 404)
    check_native_error(world.post(f"/plans/{world.meaning}/rollout"), 409)
    check_native_error(world.post(f"/plans/{world.words}/rollout", share=0), 422)
    check_native_error(world.post(f"/plans/{world.words}/rollout", stage="full"), 422)
    check_native_error(world.post(f"/plans/{world.words}/rollout", stage="canary", share=1, advance_after=9), 422)
    foreign = world.store("foreign", replace(WORDS, adapter="absent"))
    check_native_error(world.post(f"/plans/{foreign}/rollout"), 422)
    assert world.post(f"/plans/{world.words}/rollout").status_code == 201
    check_native_error(world.post("/plans/default/rollout"), 409)
    assert world.post("/plans/default/promote").status_code == 200
    assert world.rollout()["stage"] == "superseded"
    check_native_error(world.post("/plans/rollout:advance", share=0.5), 409)


def test_the_command_line_does_the_same(world: Going, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_DATA_DIR", str(world.served.settings.data_dir))
    monkeypatch.setenv("KB_ENCODER", "hash")

    def kb(*words: str) -> str:
        answer = CliRunner().invoke(app, ["plans", *words, "-c", world.collection])
        assert answer.exit_code == 0, answer.output
        return answer.output

    kb("rollout", str(world.words), "--stage", "canary", "--share", "1")
    eventually(lambda: world.search("pump").get("arm") == "candidate")  # the server notices
    eventually(lambda: '"searches":1' in kb("status", "--json").replace(" ", "") or "candidate" in kb("status"))
    assert "full" in kb("advance", "--reason", "good")
    eventually(lambda: world.search("pump")["plan"] == WORDS.digest and "arm" not in world.search("pump"))
    assert "stopped" in kb("stop")
    eventually(lambda: world.search("pump")["plan"] == MEANING.digest)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[KnowledgeBase]]:
    """Two knowledge bases on one catalog, each with a data folder of its own, as processes have."""
    url = request.getfixturevalue("fresh_postgres") if request.param == "postgresql" else sqlite_url(tmp_path / "c.db")
    with ExitStack() as stack:
        settings = [Settings(data_dir=tmp_path / name, encoder="hash", catalog_url=url) for name in ("one", "other")]
        yield [stack.enter_context(KnowledgeBase.open(one)) for one in settings]


def test_processes_count_together_and_serve_alike(processes: list[KnowledgeBase]) -> None:
    one, other = processes
    one.create_collection("docs")
    one.write("docs", list(documents()), wait=True)
    found = one.catalog.collections.get("docs")
    meaning, words = (
        one.catalog.plans.add(found, name, plan.to_dict(), plan.digest, "test").id
        for name, plan in (("meaning", MEANING), ("words", WORDS))
    )
    one.catalog.plans.promote(found, meaning, "test", "")
    found = one.catalog.collections.get("docs")
    rollout = steps.begin(one, found, words, "test", stage=Stage.CANARY, share=0.5)

    def arm(kb: KnowledgeBase, caller: str) -> str:
        return kb.search("docs", SearchRequest("nothingofthiskind"), Principal(caller)).arm

    eventually(lambda: arm(one, "somebody") != "" and arm(other, "somebody") != "")
    for caller in SESSIONS:
        assert arm(one, caller) == arm(other, caller)
    for kb in processes:  # each tells what it counted; the second sees both
        RolloutWatch(kb).look()
    ended = one.catalog.rollouts.get(found, rollout.id)
    assert ended.stage is Stage.ROLLED_BACK and "canary: searches without a hit" in ended.reason
    counts = one.catalog.rollouts.counts(rollout.id)[Stage.CANARY]
    searches = counts["candidate", "searches"] + counts["serving", "searches"]
    assert searches >= 2 * len(SESSIONS)
    for kb in processes:
        eventually(lambda kb=kb: arm(kb, "somebody") == "")  # type: ignore[misc]
        assert kb.search("docs", SearchRequest("pump"), OPERATOR).plan == MEANING
