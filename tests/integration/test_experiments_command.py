"""`kb experiments` and `kb artifacts` on real runs: killed and resumed, replayed, compared, tampered with, pruned."""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tuning_world import questions, tuning_world
from typer.testing import CliRunner

from api.cli import app
from retrieval.catalog import Catalog, sqlite_url
from search_core.task import parse_task

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 200.0


@dataclass(frozen=True)
class Shell:
    """Runs `kb` in processes of their own, on a collection `c` with its judged questions in files."""

    folder: Path
    asked: list[str]
    ran: dict[str, Any] = field(default_factory=dict)  # runs that several tests look at

    def start(self, *words: str) -> subprocess.Popen[str]:
        """In a process of its own, which can be killed."""
        command = [sys.executable, "-m", "api.cli", *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kb(self, *words: str, status: int = 0) -> str:
        """What it prints, run in this process: to start one takes seconds on a busy machine."""
        done = CliRunner().invoke(app, [*words])
        assert done.exit_code == status, done.output
        return done.stdout

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self.kb(*words, "--json", status=status))

    def tune(self, *more: str) -> Any:
        return self.json("tune", "-c", "c", *self.asked, *more)

    def whole(self) -> Any:
        """A run that nobody disturbed and that promoted nothing."""
        if not self.ran:
            self.ran.update(self.tune("--no-promote", "--tensorboard", "--seed", "5"))
        return self.ran

    def trials(self) -> dict[str, int]:
        """Experiment -> how many trials the catalog has of it."""
        catalog = Catalog(sqlite_url(self.folder / "catalog.db"))
        try:
            return {one.id: one.trials for one in catalog.experiments.all(catalog.collections.get("c"))}
        finally:
            catalog.close()


@pytest.fixture
def shell(made: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("KB_DATA_DIR", str(made.folder))
    monkeypatch.setenv("KB_ENCODER", "hash")
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("kb")
    with tuning_world(folder):
        pass
    texts, qrels = questions()
    asked, judged = folder / "queries.jsonl", folder / "qrels.tsv"
    asked.write_text("".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in texts.items()))
    judged.write_text("".join(f"{name}\t{key}\t1\n" for name, found in qrels.items() for key in found))
    return Shell(folder, [*_options(asked, judged)])


def _options(asked: Path, judged: Path) -> Iterator[str]:
    yield from ("--queries", str(asked), "--qrels", str(judged))
    yield from ("--budget", "300s", "--tiers", "plan", "--max-epochs", "1")


def test_a_process_that_was_killed_goes_on_where_it_was(shell: Shell) -> None:
    whole = shell.whole()
    killed = shell.start("tune", "-c", "c", *shell.asked, "--no-promote", "--seed", "5")
    deadline, found = time.monotonic() + PATIENCE_SECONDS, ""
    while not found and killed.poll() is None and time.monotonic() < deadline:
        found = next((one for one, count in shell.trials().items() if one != whole["experiment"] and count >= 3), "")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert found
    before = shell.trials()[found]
    assert before >= 3
    resumed = shell.json("tune", "-c", "c", "--resume", found)
    assert resumed["experiment"] == found
    assert (resumed["trajectory"], resumed["artifact"]["digest"]) == (whole["trajectory"], whole["artifact"]["digest"])
    assert resumed["trials"] == whole["trials"] > before
    assert shell.json("experiments", "verify", found, "-c", "c")["troubles"] == []
    told = shell.json("experiments", "compare", found, whole["experiment"], "-c", "c")
    assert told["parted"] is None and told["both_tried"]["apart_at_most"] == 0
    events = shell.folder / "experiments" / whole["experiment"] / "tensorboard"
    assert len(list(events.glob("events.out.tfevents.*"))) == 1


def interrupted(shell: Shell, *more: str) -> tuple[subprocess.Popen[str], str]:
    """A run that Ctrl-C has reached after some trials, as it says itself; and its experiment."""
    known = set(shell.trials())
    process = shell.start("tune", "-c", "c", *shell.asked, "--no-promote", "--json", *more)
    deadline, found = time.monotonic() + PATIENCE_SECONDS, ""
    while not found and process.poll() is None and time.monotonic() < deadline:
        found = next((one for one, count in shell.trials().items() if one not in known and count >= 3), "")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any("stopping: what was found is tested now" in line for line in process.stderr), process.communicate()
    return process, found


def test_ctrl_c_keeps_what_was_found(shell: Shell) -> None:
    process, name = interrupted(shell, "--max-epochs", "50", "--seed", "11")
    told, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    result = json.loads(told)
    assert result["experiment"] == name and 3 <= result["trials"] < 400
    assert shell.json("experiments", "show", name, "-c", "c")["state"] == "finished"
    again = shell.json("experiments", "replay", name, "-c", "c")
    assert again["same"] == {"trajectory": True, "artifact": True} and not again["cut_short"]


def test_a_second_ctrl_c_ends_at_once_and_the_run_can_go_on(shell: Shell) -> None:
    process, name = interrupted(shell, "--seed", "5")
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode != 0 and told == ""
    assert shell.json("experiments", "show", name, "-c", "c")["state"] == "stopped"
    whole, resumed = shell.whole(), shell.json("tune", "-c", "c", "--resume", name)
    assert resumed["experiment"] == name
    assert (resumed["trajectory"], resumed["artifact"]["digest"]) == (whole["trajectory"], whole["artifact"]["digest"])


def test_a_run_is_shown_replayed_and_its_log_guarded(shell: Shell) -> None:
    name = shell.whole()["experiment"]
    shown = shell.json("experiments", "show", name, "-c", "c")
    assert shown["request"]["seed"] == 5 and shown["log_troubles"] == []
    assert all({"seed", "cost", "reward", "fidelity", "seconds", "cpu_seconds"} <= set(one) for one in shown["trials"])
    for table in (("show", name), ("list",), ("compare", name, next(iter(shell.trials())))):
        assert name in shell.kb("experiments", *table, "-c", "c")
    told = " ".join(shell.kb("experiments", "show", name, "-c", "c").split())
    assert f"gain {shown['result']['lift']:+.4f} of ndcg@10 (" in told
    result, begun = shown["result"], r"\d{4}-\d\d-\d\d \d\d:\d\d"
    listed = next(line for line in shell.kb("experiments", "list", "-c", "c").splitlines() if name in line)
    assert re.search(rf"{begun} .*{re.escape(format(result['lift'], '+.4f'))} +{result['p_value']:.4f}", listed), listed
    interval = ", ".join(f"{bound:.5g}" for bound in result["lift_interval"])
    assert shell.kb("experiments", "compare", name, name, "-c", "c").count(interval) == 2
    again = shell.json("experiments", "replay", name, "-c", "c")
    assert again["agrees"] and again["mode"] == "exact" and again["metrics_apart"] == 0
    assert again["same"] == {"trajectory": True, "artifact": True}
    log = shell.folder / "experiments" / name / "trials.jsonl"
    written = log.read_text()
    lines = written.splitlines()
    log.write_text("\n".join([lines[0], lines[1].replace('"tier": "plan"', '"tier": "plans"'), *lines[2:]]) + "\n")
    assert "trials.jsonl line 2 (trial 2) differs from the catalog in tier" in shell.kb(
        "experiments", "verify", name, "-c", "c", status=1
    )
    log.write_text(written)


def test_a_replay_asks_what_was_asked_whatever_sets_were_stored_since(shell: Shell) -> None:
    quick = ("--budget", "300s", "--tiers", "plan", "--max-epochs", "1")
    first = shell.json("tune", "-c", "c", *quick)
    assert first["supervision"]["origin"] == "made from the corpus"
    files = shell.asked[:4]
    shell.kb("eval", "-c", "c", *files, "--save", "real")
    shell.kb("eval", "-c", "c", *files, "--save", "other")
    again = shell.json("experiments", "replay", first["experiment"], "-c", "c")
    assert again["agrees"] and again["same"] == {"trajectory": True, "artifact": True}
    shell.kb("tune", "-c", "c", *quick, status=1)
    assert "made from the corpus" in shell.kb("tune", "-c", "c", *quick, "--made-questions")


def test_how_the_task_was_understood_is_said_once(shell: Shell, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    told = CliRunner().invoke(app, ["tune", "-c", "absent"])
    assert told.exit_code == 1, told.output
    said = " ".join((told.output + caplog.text).split())
    assert said.count(parse_task("text-to-graph", 300.0).describe()) == 1


def test_artifacts_are_listed_verified_and_pruned_but_for_what_is_needed(shell: Shell) -> None:
    serving = shell.tune("--seed", "7")
    assert serving["promoted"] is True
    idle = shell.whole()["experiment"]
    listed = {one["name"]: one for one in shell.json("artifacts", "list")["artifacts"]}
    assert listed[serving["experiment"]]["needed"] == "it serves"
    assert listed[idle]["needed"] == ""
    verified = shell.json("artifacts", "verify")["artifacts"]
    assert [one for one in verified if one["trouble"] != ""] == []
    card = shell.folder / "experiments" / idle / "artifact" / "README.md"
    card.write_text(card.read_text().replace("gain", "loss"))
    assert "README.md is not what its manifest says" in shell.kb("artifacts", "verify", status=1)
    planned = [one["name"] for one in shell.json("artifacts", "prune", "--keep", "0", "--dry-run")["removed"]]
    assert idle in planned and serving["experiment"] not in planned
    assert card.exists()
    removed = [one["name"] for one in shell.json("artifacts", "prune", "--keep", "0")["removed"]]
    assert removed == planned
    assert not card.exists()
    assert (shell.folder / "experiments" / idle / "trials.jsonl").exists()
    assert shell.json("experiments", "verify", idle, "-c", "c")["troubles"] == []
    left = {one["name"]: one for one in shell.json("artifacts", "verify")["artifacts"]}
    assert left[serving["experiment"]]["trouble"] == ""
    shell.kb("plans", "roll-back", "-c", "c")  # now it is one rollback away
    assert shell.json("artifacts", "prune", "--keep", "0")["removed"] == []
