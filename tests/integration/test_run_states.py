"""Where runs stand that nobody ended in good order, and replays of runs whose corpus changed since."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tuning_world import questions, tuning_world
from typer.testing import CliRunner

from api.app import create_app
from api.cli import app
from api.commands.experiments import CHANGED
from api.jobs.experiment_state import state_of
from api.knowledge_base import KnowledgeBase
from retrieval.catalog.experiments import ExperimentState
from retrieval.catalog.keys import Scope
from retrieval.types import Document
from search_core.log.run_lock import run_lock
from search_core.request import Request
from search_core.trainer import AutoModelTrainer


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with tuning_world(tmp_path) as opened:
        yield opened


def test_a_run_that_nobody_works_on_is_stopped(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = kb.catalog.collections.get("c")
    record = kb.catalog.experiments.create(collection, Request(collection="c").to_dict())
    folder = kb.settings.data_dir / "experiments" / record.id
    assert state_of(kb, collection, record) is ExperimentState.RUNNING, "it may be of another data folder"
    with run_lock(folder):
        assert state_of(kb, collection, record) is ExperimentState.RUNNING
    assert state_of(kb, collection, record) is ExperimentState.STOPPED, "its process was killed"
    job = kb.catalog.jobs.create("tune", "c", {"experiment": record.id})
    assert state_of(kb, collection, record) is ExperimentState.RUNNING, "somebody will take it up"
    kb.catalog.jobs.cancel(job.id)
    assert state_of(kb, collection, record) is ExperimentState.STOPPED
    reader = {"Authorization": f"Bearer {kb.catalog.keys.create('test', Scope.READ)[1]}"}
    with TestClient(create_app(kb, kb.settings)) as client:
        [shown] = client.get("/v1/experiments", params={"collection": "c"}, headers=reader).json()["experiments"]
        assert shown["state"] == "stopped"
    monkeypatch.setenv("KB_DATA_DIR", str(kb.settings.data_dir))
    monkeypatch.setenv("KB_ENCODER", "hash")
    for words in (("list",), ("show", record.id)):
        told = CliRunner().invoke(app, ["experiments", *words, "-c", "c", "--json"])
        assert '"stopped"' in told.stdout and "running" not in told.stdout
    told = CliRunner().invoke(app, ["experiments", "replay", record.id, "-c", "c"])
    assert told.exit_code == 1 and f"experiment '{record.id}' is stopped; only a finished one" in str(told.exception)


def test_a_replay_says_that_the_corpus_changed(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, qrels = questions()
    request = Request(collection="c", budget=300.0, max_epochs=1, tiers="plan", queries=texts, qrels=qrels)
    opened = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    first = AutoModelTrainer.of(request, **opened).run()  # type: ignore[arg-type]
    seq = kb.write("c", [Document("new", "a pump that came later", "")], wait=True, timeout=60.0)
    assert seq
    monkeypatch.setenv("KB_DATA_DIR", str(kb.settings.data_dir))
    monkeypatch.setenv("KB_ENCODER", "hash")
    done = CliRunner().invoke(app, ["experiments", "replay", first.experiment, "-c", "c", "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == CHANGED and not told["agrees"]
    before = first.artifact.manifest["seq"]
    assert f"changed since (operation {before} then, {before + 1} now)" in told["changed"]
