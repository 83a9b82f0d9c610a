"""What `kb tune` is asked and says: options that exclude each other are refused, commands it names can be copied."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tuning_world import questions, trainer, tuning_world
from typer.testing import CliRunner

from api.cli import app
from retrieval.catalog import Catalog, sqlite_url
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.experiments import ExperimentState
from retrieval.errors import InvalidInputError


def refusal(*words: str) -> str:
    done = CliRunner().invoke(app, ["tune", "-c", "c", *words])
    assert isinstance(done.exception, InvalidInputError), done.output
    return str(done.exception)


def test_a_resumed_run_does_not_pass_over_what_is_asked_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above all not --no-promote: the run was asked to let a proven plan serve, and would."""

    def die(told: dict[str, object]) -> None:
        raise KeyboardInterrupt

    texts, qrels = questions()
    with tuning_world(tmp_path) as kb:
        with pytest.raises(KeyboardInterrupt):
            trainer(kb, queries=texts, qrels=qrels, progress=die).run()
        [record] = kb.catalog.experiments.all(kb.catalog.collections.get("c"))
    monkeypatch.setenv("KB_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KB_ENCODER", "hash")
    told = refusal("--resume", record.id, "--no-promote", "--budget", "5m", "--json")
    assert "--resume goes on as the experiment was asked for, without --budget, --no-promote" in told
    catalog = Catalog(sqlite_url(tmp_path / "catalog.db"))
    try:
        collection = catalog.collections.get("c")
        assert catalog.experiments.get(collection, record.id).state is ExperimentState.STOPPED
        assert collection.plan_id is None
    finally:
        catalog.close()


@pytest.mark.parametrize("named", ["queries", "answers"])
def test_questions_come_from_files_or_from_a_set(tmp_path: Path, named: str) -> None:
    asked, judged, answered = (tmp_path / name for name in ("asked.jsonl", "judged.tsv", "answered.jsonl"))
    asked.write_text(json.dumps({"id": "q", "text": "question"}) + "\n")
    judged.write_text("q\td\t1\n")
    answered.write_text(json.dumps({"id": "q", "answers": ["answer"]}) + "\n")
    files = {
        "queries": ["--queries", str(asked), "--qrels", str(judged)],
        "answers": ["--queries", str(asked), "--answers", str(answered), "--task", "answer"],
    }
    told = refusal("--eval-set", "mine", *files[named])
    assert "--eval-set and --queries each name the questions; give one of them" in told


def test_commands_that_are_named_are_of_the_collection_that_they_are_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that is copied without `-c` is about the collection `default`."""
    plan = tmp_path / "plan.json"
    plan.write_text("{}")
    with tuning_world(tmp_path / "data") as kb:
        texts, judged = questions()
        kb.catalog.eval_sets.create(
            kb.catalog.collections.get("c"), "mine", [EvalQuery(name, texts[name], judged[name]) for name in texts]
        )
    monkeypatch.setenv("KB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KB_ENCODER", "hash")
    run = ["tune", "-c", "c", "--budget", "120s", "--tiers", "plan", "--max-epochs", "1"]
    said = []
    for words in (
        ["plans", "add", str(plan), "-c", "c"],
        [*run, "--no-promote"],
        [*run, "--rollout", "shadow"],
        ["plans", "status", "-c", "c"],
        ["plans", "stop", "-c", "c"],
        [*run, "--seed", "1"],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output + repr(done.exception)
        said.append(" ".join(done.output.split()))
    commands = [re.findall(r"`kb ([^`]+)`", text) for text in said]
    assert [len(named) for named in commands] == [1, 1, 1, 2, 0, 1], said
    assert [one for named in commands for one in named if not one.endswith(" -c c")] == []
