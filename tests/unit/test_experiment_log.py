"""The log of a run: an altered line is named, two runs are compared, event files hold every trial."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_disk

from retrieval.catalog import Catalog, sqlite_url
from search_core.errors import RunningError
from search_core.log.experiment_log import FILE, ExperimentLog, trajectory
from search_core.log.log_check import log_troubles
from search_core.log.log_comparison import compare_runs, is_cut_short
from search_core.log.replaying import TOLERANCE, replay_verdict
from search_core.log.run_lock import run_lock
from search_core.spaces.architecture import Architecture
from search_core.spaces.space_file import open_space

TRIALS = 6


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(sqlite_url(tmp_path / "c.db"))
    yield opened
    opened.close()


def trial(number: int, reward: float | None = None) -> dict[str, Any]:
    space = open_space("gnn-lm-v1")
    architecture = Architecture(space.name, {decision.name: decision.default for decision in space.decisions})
    return {
        "tier": "plan",
        "policy": "random",
        "architecture": architecture.to_dict() | {"digest": f"a{number}"},
        "plan": f"p{number}",
        "fidelity": 1.0,
        "reward": number / 10 if reward is None else reward,
        "whole": number / 10 if reward is None else reward,
        "seconds": 0.01,
        "cpu_seconds": 0.01,
    }


def written(catalog: Catalog, folder: Path, **more: Any) -> tuple[str, list[dict[str, Any]]]:
    collection = catalog.collections.create("c", "hash", "fp")
    record = catalog.experiments.create(collection, {"seed": 3})
    log = ExperimentLog(catalog.experiments, record.id, folder, seed=3, space=open_space("gnn-lm-v1"), **more)
    for number in range(1, TRIALS + 1):
        log.append(trial(number))
    log.close()
    return record.id, catalog.experiments.trials(record.id)


def test_every_trial_has_what_a_reader_needs(catalog: Catalog, tmp_path: Path) -> None:
    _, trials = written(catalog, tmp_path / "run")
    needed = {
        "number",
        "architecture",
        "seed",
        "fidelity",
        "reward",
        "cost",
        "seconds",
        "cpu_seconds",
        "tier",
        "policy",
    }
    lines = [json.loads(line) for line in (tmp_path / "run" / FILE).read_text().splitlines()]
    for body, line in zip(trials, lines, strict=True):
        assert needed <= set(body)
        assert body["seed"] == 3 and set(body["cost"]) == {"serving_ms", "trial_seconds"}
        del line["previous"]
        assert line == body
    assert log_troubles(tmp_path / "run", trials) == []


def test_a_run_that_goes_another_way_leaves_one_whole_log(catalog: Catalog, tmp_path: Path) -> None:
    """Where a tier has more time than it had in the run that was killed."""
    folder = tmp_path / "run"
    number, before = written(catalog, folder)
    log = ExperimentLog(catalog.experiments, number, folder, seed=3, space=open_space("gnn-lm-v1"))
    assert [log.recall(f"a{known}", 1.0) for known in (1, 2, 3, 9)] == [*before[:3], None]
    assert log.append(trial(9))["number"] == 4
    assert log.recall("a5", 1.0) is None
    log.append(trial(4))
    log.close()
    trials = catalog.experiments.trials(number)
    assert trials[:3] == before[:3]
    assert [one["architecture"]["digest"] for one in trials] == ["a1", "a2", "a3", "a9", "a4"]
    assert log_troubles(folder, trials) == []


def test_one_run_at_a_time_works_on_an_experiment(tmp_path: Path) -> None:
    """A process that is killed leaves it free."""
    told = f"""
import pathlib, sys
from search_core.log.run_lock import run_lock
with run_lock(pathlib.Path({str(tmp_path / "abc")!r})):
    print("held", flush=True)
    sys.stdin.read()
"""
    other = subprocess.Popen([sys.executable, "-c", told], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunningError, match="'abc' is running now"), run_lock(tmp_path / "abc"):
            pass
    finally:
        other.kill()
        other.communicate()
    with run_lock(tmp_path / "abc"):
        pass


@pytest.mark.parametrize("number", range(1, TRIALS + 1))
def test_an_altered_line_is_named(catalog: Catalog, tmp_path: Path, number: int) -> None:
    _, trials = written(catalog, tmp_path / "run")
    path = tmp_path / "run" / FILE
    lines = path.read_text().splitlines()
    lines[number - 1] = lines[number - 1].replace(f'"reward": {number / 10}', '"reward": 0.99')
    path.write_text("\n".join(lines) + "\n")
    troubles = log_troubles(tmp_path / "run", trials)
    assert f"line {number} (trial {number}) differs from the catalog in reward" in troubles[0]
    if number < TRIALS:
        assert f"line {number + 1} does not follow on the line before: line {number} was altered" in troubles[1]


def test_what_is_missing_added_or_no_trial_is_named(catalog: Catalog, tmp_path: Path) -> None:
    _, trials = written(catalog, tmp_path / "run")
    path = tmp_path / "run" / FILE
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    assert log_troubles(tmp_path / "run", trials) == [f"{FILE} ends after 5 trials; the catalog has 6"]
    path.write_text("\n".join([*lines[:2], *lines[3:]]) + "\n")
    assert "line 3 does not follow on the line before" in log_troubles(tmp_path / "run", trials)[0]
    path.write_text("\n".join([*lines, lines[0]]) + "\n")
    assert "which the catalog does not know" in log_troubles(tmp_path / "run", trials)[1]
    path.write_text("\n".join([*lines[:3], "{half"]) + "\n")
    assert "line 4 is no trial" in log_troubles(tmp_path / "run", trials)[0]
    path.unlink()
    assert "cannot be read" in log_troubles(tmp_path / "run", trials)[0]


def test_a_run_that_goes_on_or_tried_nothing_has_no_altered_log(catalog: Catalog, tmp_path: Path) -> None:
    """While it goes on, catalog and file are read one after the other, and either may have more."""
    _, trials = written(catalog, tmp_path)
    assert log_troubles(tmp_path, trials[:-2]) != [] == log_troubles(tmp_path, trials[:-2], grows=True)
    whole = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(whole[:-40])  # the last line is being written
    assert log_troubles(tmp_path, trials) != [] == log_troubles(tmp_path, trials, grows=True)
    (tmp_path / FILE).write_text(whole.replace('"tier": "plan"', '"tier": "plans"', 1))
    assert log_troubles(tmp_path, trials, grows=True) != []
    (tmp_path / FILE).unlink()
    assert log_troubles(tmp_path, []) == log_troubles(tmp_path, trials, grows=True) == []
    assert "cannot be read" in log_troubles(tmp_path, trials)[0]


def test_event_files_hold_every_trial_also_of_a_run_that_goes_on(catalog: Catalog, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason='needs "autoglm-kb[train]"')
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    from search_core.log.tensorboard_log import TensorBoardLog

    def told() -> dict[tuple[str, int], float]:
        (file,) = (tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*")
        events = [Event.FromString(raw) for raw in RawEventFileLoader(str(file)).Load()]
        return {(value.tag, event.step): value.simple_value for event in events for value in event.summary.value}

    number, trials = written(catalog, tmp_path / "run", events=TensorBoardLog(tmp_path / "run"))
    seen = told()
    for body in trials:
        assert seen["plan/reward", body["number"]] == pytest.approx(body["reward"])
        assert seen["plan/best", body["number"]] == pytest.approx(body["whole"])
    again = TensorBoardLog(tmp_path / "run")
    ExperimentLog(catalog.experiments, number, tmp_path / "run", events=again).close()
    assert told() == seen


@pytest.mark.parametrize("trouble", ["a file in its place", "read-only", "full", "filled meanwhile"])
def test_event_files_that_cannot_be_written_end_no_run(
    catalog: Catalog, tmp_path: Path, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    pytest.importorskip("tensorboard", reason='needs "autoglm-kb[train]"')
    from search_core.log.tensorboard_log import TensorBoardLog

    run, folder = tmp_path / "run", tmp_path / "run" / "tensorboard"
    run.mkdir()
    with contextlib.ExitStack() as mounts:
        if trouble == "a file in its place":
            folder.touch()
        else:
            disk = mounts.enter_context(small_disk.mounted(folder, "64k"))
        if trouble == "read-only":
            small_disk.remount(disk, "ro")
        if trouble == "full":
            small_disk.fill(disk)
        events = TensorBoardLog(run)
        if trouble == "filled meanwhile":
            small_disk.fill(disk)
            for earlier in range(1, 50):  # more than the file's first block takes
                events.trial(trial(earlier) | {"number": earlier, "cost": None})
        number, trials = written(catalog, run, events=events)
        events.close()
    assert len(catalog.experiments.trials(number)) == len(trials) > 0 and log_troubles(run, trials) == []
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert str(folder) in told and "goes on without" in told
    assert any(word in told for word in ("File exists", "Read-only", "No space left"))


def test_two_runs_are_compared_trial_by_trial() -> None:
    one = [trial(number) | {"number": number} for number in range(1, 5)]
    other = [*one[:2], trial(3, reward=0.5) | {"number": 3}, trial(4) | {"number": 4}]
    result = {"lift": 0.1, "tuned": {"ndcg@10": 0.5}, "architecture": {"choices": {"fusion": "rrf"}}}
    worse = {"lift": 0.0, "tuned": {"ndcg@10": 0.4}, "architecture": {"choices": {"fusion": "convex"}}}
    told = compare_runs(({"seed": 1}, result, one), ({"seed": 2}, worse, other))
    assert told["parted"] == 3
    assert {"name": "seed", "one": 1, "other": 2} in told["asked"]
    assert {"name": "tuned ndcg@10", "one": 0.5, "other": 0.4} in told["came"]
    assert told["chosen"] == [{"name": "fusion", "one": "rrf", "other": "convex"}]
    assert told["both_tried"]["candidates"] == 4
    assert told["both_tried"]["apart_at_most"] == pytest.approx(0.2)
    same = compare_runs(({"seed": 1}, result, one), ({"seed": 1}, result, one))
    assert same["parted"] is None and same["chosen"] == []
    by_recall = compare_runs(({"metric": "recall@5"}, result, one), ({"metric": ""}, result, one))
    assert {"name": "metric", "one": "recall@5", "other": "ndcg@10"} in by_recall["asked"]
    assert {"name": "best trial", "one": None, "other": None} in by_recall["came"]
    assert by_recall["both_tried"] == {"candidates": 0, "apart_at_most": None, "best": []}
    assert compare_runs(({}, None, one), ({}, None, one[:2]))["parted"] == 3
    assert is_cut_short(one, one[:2]) and not is_cut_short(one, one) and not is_cut_short(one, other[:3])


def test_a_trial_that_failed_is_a_step_of_the_way() -> None:
    failed = trial(2) | {"number": 2, "reward": None, "whole": None}
    one, other = [trial(1) | {"number": 1}, failed], [trial(1) | {"number": 1}, trial(2) | {"number": 2}]
    assert trajectory(one) == trajectory([dict(body) for body in one]) != trajectory(other)
    assert compare_runs(({}, None, one), ({}, None, other))["parted"] == 2


def test_a_replay_agrees_exactly_or_within_the_tolerance() -> None:
    def run(mean: float, trajectory: str, *, deterministic: bool = True) -> dict[str, Any]:
        metrics = {"default": {"ndcg@10": 0.3}, "tuned": {"ndcg@10": mean}}
        stages = [{"tier": "encoder", "deterministic": deterministic}]
        return metrics | {"trajectory": trajectory, "artifact": {"digest": trajectory}, "stages": stages}

    assert replay_verdict(run(0.5, "a"), run(0.5, "a"))["agrees"]
    assert not replay_verdict(run(0.5, "a"), run(0.5, "b"))["agrees"]
    shorter = run(0.5, "b") | {"artifact": {"digest": "a"}}
    assert replay_verdict(run(0.5, "a"), shorter, cut_short=True)["agrees"]
    assert not replay_verdict(run(0.5, "a"), run(0.5, "b"), cut_short=True)["agrees"]
    near, far = 0.5 + TOLERANCE / 2, 0.5 + TOLERANCE * 2
    fast = run(0.5, "a", deterministic=False)
    assert replay_verdict(fast, run(near, "b", deterministic=False)) == {
        "mode": "fast",
        "same": {"trajectory": False, "artifact": False},
        "metrics_apart": pytest.approx(TOLERANCE / 2),
        "cut_short": False,
        "tolerance": TOLERANCE,
        "agrees": True,
    }
    assert not replay_verdict(fast, run(far, "b", deterministic=False))["agrees"]
    quick, slow = (run(0.5, "a") | {"tuned": {"quality": 1.0, "milliseconds": took}} for took in (1.0, 90.0))
    assert replay_verdict(quick, slow)["metrics_apart"] == 0
