"""Runs that cannot begin, or not go on: what is said, what the experiment is then, and that what serves stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tuning_world import questions, trainer, tuned, tuning_world

from api.jobs.experiment_state import state_of
from api.jobs.tuning import tune
from api.knowledge_base import KnowledgeBase
from retrieval.catalog.experiments import ExperimentState
from retrieval.errors import InvalidInputError
from search_core.artifact.artifacts import RUNS
from search_core.errors import ArtifactError, SearchCoreError, SupervisionError
from search_core.request import Request
from search_core.trainer import AutoModelTrainer


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with tuning_world(tmp_path) as opened:
        yield opened


def test_where_most_questions_went_is_told_where_too_few_are_left(kb: KnowledgeBase) -> None:
    texts, qrels = questions()
    known = set(list(qrels)[:10])
    judged = {name: keys if name in known else {f"lost {name}": 1} for name, keys in qrels.items()}
    lost = len(qrels) - len(known)
    with pytest.raises(SupervisionError, match=f"10 judged questions; .*; {lost} questions whose relevant documents"):
        tuned(kb, queries=texts, qrels=judged)
    assert kb.catalog.collections.get("c").plan_id is None


def test_a_run_whose_folder_cannot_be_written_has_failed_and_can_go_on(kb: KnowledgeBase) -> None:
    """Without its folder there is no lock by which others see that nobody works on it."""
    texts, qrels = questions()
    in_the_way = kb.settings.data_dir / RUNS
    in_the_way.write_text("no folder")
    run = trainer(kb, queries=texts, qrels=qrels)
    with pytest.raises(ArtifactError, match="run folder .* cannot be written: Not a directory; check that place"):
        run.run()
    collection = kb.catalog.collections.get("c")
    record = kb.catalog.experiments.get(collection, run.experiment)
    assert record.state is state_of(kb, collection, record) is ExperimentState.FAILED
    assert "cannot be written" in (record.result or {})["error"]
    assert collection.plan_id is None


@pytest.mark.parametrize("wrong", [{"policy": "oracle"}, {"device": "nowhere"}, {"tiers": "moon"}])
def test_a_run_that_cannot_be_made_leaves_no_experiment(kb: KnowledgeBase, wrong: dict[str, str]) -> None:
    [name] = wrong.values()
    with pytest.raises((InvalidInputError, SearchCoreError), match=name):
        tuned(kb, **wrong)
    assert kb.catalog.experiments.all(kb.catalog.collections.get("c")) == []


def test_an_experiment_whose_worker_lacks_its_device_has_failed_and_says_why(kb: KnowledgeBase) -> None:
    """Who asked could not know it where the worker is another machine."""
    collection = kb.catalog.collections.get("c")
    record = kb.catalog.experiments.create(collection, Request(collection="c", device="nowhere").to_dict())
    with pytest.raises(InvalidInputError, match="device 'nowhere' cannot be used"):
        tune(kb, "c", {"experiment": record.id}, lambda done, total: None)
    ended = kb.catalog.experiments.get(collection, record.id)
    assert ended.state is ExperimentState.FAILED
    assert "device 'nowhere' cannot be used" in (ended.result or {})["error"]


def test_the_command_says_how_a_run_that_the_disk_ended_goes_on(kb: KnowledgeBase, tmp_path: Path) -> None:
    texts, qrels = questions()
    lines = [json.dumps({"id": name, "text": text}) for name, text in texts.items()]
    (tmp_path / "q.jsonl").write_text("\n".join(lines))
    rows = [f"{name}\t{key}\t{grade}" for name, keys in qrels.items() for key, grade in keys.items()]
    (tmp_path / "qrels.tsv").write_text("\n".join(rows))
    in_the_way = kb.settings.data_dir / RUNS
    in_the_way.write_text("no folder")
    files = ["--queries", str(tmp_path / "q.jsonl"), "--qrels", str(tmp_path / "qrels.tsv")]
    asked = ["tune", "-c", "c", *files, "--budget", "60s", "--max-epochs", "1", "--tiers", "plan"]
    environment = os.environ | {"KB_DATA_DIR": str(kb.settings.data_dir), "KB_ENCODER": "hash", "COLUMNS": "300"}
    command = [sys.executable, "-m", "api.cli", *asked]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    [record] = kb.catalog.experiments.all(kb.catalog.collections.get("c"))
    assert ended.returncode == 1
    assert f"`kb tune -c c --resume {record.id}` goes on" in ended.stderr
    assert "Traceback" not in ended.stderr
    in_the_way.unlink()
    about: dict[str, Any] = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
    assert AutoModelTrainer.of(Request.from_dict(record.request), experiment=record.id, **about).run().promoted
