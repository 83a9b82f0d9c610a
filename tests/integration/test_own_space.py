"""A search space of one's own, in a file: a whole run in it, killed, resumed without the file, shown and replayed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import served
from tuning_world import questions, tuning_world
from typer.testing import CliRunner

from api.cli import app
from search_core.request import Request
from search_core.spaces.drawing import describe
from search_core.trainer import AutoModelTrainer

FUSION = "  fusion: {tier: plan, values: [convex, sparse], summary: how two rankings become one}\n"
WEIGHT = "  dense_weight: {tier: plan, values: [0.5, 0.3], summary: of vectors, when: {fusion: [convex]}}\n"


@pytest.mark.parametrize(
    "head", [pytest.param("extends: gnn-lm-v1\ndecisions:\n", marks=pytest.mark.soak), f"decisions:\n{FUSION}"]
)
def test_a_run_in_it_is_resumed_shown_and_replayed_without_the_file(
    tmp_path: Path, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: mine\n{head}{WEIGHT}")
    texts, qrels = questions()
    asked: dict[str, Any] = {"collection": "c", "budget": "120s", "max_epochs": 1, "tiers": "plan"}
    with tuning_world(tmp_path / "data") as kb:
        about: dict[str, Any] = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
        request = Request(**asked, search_space=str(file), queries=texts, qrels=qrels, promote=False)
        whole = AutoModelTrainer.of(request, **about).run()
        tried = kb.catalog.experiments.trials(whole.experiment)
        assert {one["architecture"]["choices"].get("dense_weight") for one in tried} == {0.3, 0.5, None}

        def die(told: dict[str, Any]) -> None:
            if told["trial"] == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            AutoModelTrainer.of(request, progress=die, **about).run()
        file.unlink()
        collection = kb.catalog.collections.get("c")
        [name] = {one.id for one in kb.catalog.experiments.all(collection)} - {whole.experiment}
    monkeypatch.setenv("KB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KB_ENCODER", "hash")

    def command(*words: str) -> Any:
        done = CliRunner().invoke(app, [*words, "-c", "c", "--json"])
        assert done.exit_code == 0, done.output + repr(done.exception)
        return json.loads(done.stdout)

    resumed = command("tune", "--resume", name)
    assert resumed["trajectory"] == whole.trajectory
    assert resumed["architecture"]["description"] == describe(whole.best, whole.space)
    assert command("experiments", "show", name)["result"]["architecture"]["space"] == "mine"
    assert command("experiments", "replay", name)["agrees"]
    with served.in_process(tmp_path / "data") as api:
        path, asked = f"/v1/experiments/{name}", {"collection": "c"}
        shown = api.client.get(path, params=asked, headers=api.headers()).json()
        assert shown["picture"].startswith("<svg") and {"fusion"} <= {one["name"] for one in shown["graph"]["nodes"]}
        trials = api.client.get(f"{path}/trials", params=asked, headers=api.headers()).json()["trials"]
        assert all(trial["cost"] is not None for trial in trials)


@pytest.mark.parametrize(
    ("tier", "decisions", "reason"),
    [
        ("adapter", "  adapter: {tier: plan, values: [none, bias], summary: a map of query vectors}\n", ""),
        (
            "adapter",
            "  adapter: {tier: plan, values: [none, own], summary: a map of query vectors}\n",
            "no adapter that is",
        ),
        (
            "graph",
            "  graph.features: {tier: graph, values: [own], summary: of nodes}\n",
            "does not fit it: graph.features",
        ),
        (
            "graph",
            f"{FUSION}  graph.depth: {{tier: graph, values: [0, 1], summary: layers}}\n",
            "no decision graph.width",
        ),
        ("plan", f"{FUSION}  feedback: {{tier: plan, values: [0, 1], summary: of the first hits}}\n", ""),
        ("plan", f"{FUSION}  rerank: {{tier: plan, values: [none], summary: of the first hits}}\n", ""),
    ],
)
def test_a_space_that_narrows_a_tier_ends_no_run(tmp_path: Path, tier: str, decisions: str, reason: str) -> None:
    head = "" if FUSION in decisions else "extends: gnn-lm-v1\n"
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: mine\n{head}decisions:\n{decisions}")
    texts, qrels = questions()
    with tuning_world(tmp_path / "data") as kb:
        request = Request(
            collection="c",
            budget="120s",
            max_epochs=1,
            tiers=tier if tier == "plan" else f"plan,{tier}",
            search_space=str(file),
            queries=texts,
            qrels=qrels,
            promote=False,
        )
        about: dict[str, Any] = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
        result = AutoModelTrainer.of(request, **about).run()
    stage = next(one for one in result.stages if one["tier"] == tier)
    assert reason in stage["reason"] and bool(stage["trials"]) == (not reason)
