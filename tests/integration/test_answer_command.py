"""`kb tune --task answer` by the command: it is shown with its trials, and a replay agrees once it was promoted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import chat_server
import served
from birds_world import ANSWERS, QUERIES, fill
from typer.testing import CliRunner

from api.cli import app
from retrieval.catalog import Catalog, sqlite_url


def test_it_is_tuned_shown_and_replayed(tmp_path: Path) -> None:
    queries, answers = tmp_path / "queries.jsonl", tmp_path / "answers.jsonl"
    queries.write_text("\n".join(json.dumps({"id": key, "text": text}) for key, text in QUERIES.items()))
    answers.write_text("\n".join(json.dumps({"id": key, "answers": right}) for key, right in ANSWERS.items()))
    data = tmp_path / "data"
    with chat_server.running("24 months [1].") as url:
        with served.in_process(data, llm_base_url=url, llm_model="good") as api:
            fill(api)
        env = {"KB_DATA_DIR": str(data), "KB_ENCODER": "hash", "KB_LLM_BASE_URL": url, "KB_LLM_MODEL": "good"}

        def kb(*words: str) -> str:
            done = CliRunner(env=env).invoke(app, [*words, "-c", "birds"])
            assert done.exit_code == 0, done.output + repr(done.exception)
            return done.stdout

        files = ["--queries", str(queries), "--answers", str(answers)]
        first: Any = json.loads(kb("tune", "--task", "answer", *files, "--budget", "4m", "--json"))
        assert first["promoted"], first["reasons"]
        name = first["experiment"]
        assert " answer  race " in kb("experiments", "show", name)
        assert "quality" in kb("tune", "--task", "answer", *files, "--budget", "4m")
        replayed = json.loads(kb("experiments", "replay", name, "--json"))
        assert replayed["agrees"] and replayed["metrics_apart"] == 0

        catalog = Catalog(sqlite_url(data / "catalog.db"))
        trials = catalog.experiments.trials(name)
        assert all(trial["tier"] == "answer" and trial["cpu_seconds"] >= 0 for trial in trials)
        catalog.experiments.forget(name, 1)
        for trial in trials:  # as they were logged before they told both
            body = {key: value for key, value in trial.items() if key not in ("number", "tier", "cpu_seconds")}
            catalog.experiments.append(name, trial["number"], body)
        catalog.close()
        assert " race " in kb("experiments", "show", name)
