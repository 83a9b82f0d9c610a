"""Started processes are found again, told from strangers, and ended with all they started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import eventually

from infra.stack import processes
from infra.stack.processes import Process, alive, family, identify, spawn, stop, wait_until_gone

PARENT_AND_CHILD = "sleep 300 & wait"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Process]]:
    """Processes to be gone after the test."""
    every: list[Process] = []
    yield every
    for process in every:
        processes.send(family(process, tmp_path), signal.SIGKILL)
        assert wait_until_gone(process, tmp_path, 5)


def start(folder: Path, started: list[Process], *command: str) -> Process:
    process = spawn(list(command), folder=folder, log=folder / "log", environment={"PATH": os.environ["PATH"]})
    started.append(process)
    return process


def test_a_started_process_leads_its_own_session_and_stays_known(tmp_path: Path, started: list[Process]) -> None:
    process = start(tmp_path, started, "sleep", "300")
    assert os.getsid(process.pid) == process.pid
    process.save(tmp_path / "p.json")
    assert Process.load(tmp_path / "p.json") == process == identify(process.pid)
    assert alive(process)


def test_another_start_or_another_boot_is_a_stranger(tmp_path: Path, started: list[Process]) -> None:
    process = start(tmp_path, started, "sleep", "300")
    for stranger in (replace(process, started=process.started + 1), replace(process, boot="another")):
        assert not alive(stranger)
        assert stop(stranger, tmp_path / "elsewhere", signal.SIGKILL, 1)
        assert alive(process)


def test_a_process_ends_with_those_below_it(tmp_path: Path, started: list[Process]) -> None:
    process = start(tmp_path, started, "sh", "-c", PARENT_AND_CHILD)
    eventually(lambda: len(family(process, tmp_path)) == 2)
    members = family(process, tmp_path)
    assert not stop(process, tmp_path, signal.SIGCONT, 0.3)  # the signal ends nothing: it had to be killed
    assert all(identify(pid) is None for pid in members)


def test_what_a_dead_process_left_behind_is_ours_by_its_mark(tmp_path: Path, started: list[Process]) -> None:
    process = start(tmp_path, started, "sh", "-c", PARENT_AND_CHILD)
    eventually(lambda: len(family(process, tmp_path)) == 2)
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not alive(process))
    assert len(family(process, tmp_path)) == 1
    assert family(process, tmp_path / "of another stack") == []
    assert family(replace(process, boot="another"), tmp_path) == []


def test_one_that_does_not_hear_is_killed(tmp_path: Path, started: list[Process]) -> None:
    process = start(tmp_path, started, sys.executable, "-c", DEAF)
    eventually(lambda: (tmp_path / "log").read_text() == "deaf\n")
    assert not stop(process, tmp_path, signal.SIGTERM, 0.3)
    assert not alive(process)


def test_a_paused_one_is_stopped_too(tmp_path: Path, started: list[Process]) -> None:
    process = start(tmp_path, started, "sleep", "300")
    os.kill(process.pid, signal.SIGSTOP)
    assert stop(process, tmp_path, signal.SIGTERM, 5)


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(["true"])
    eventually(lambda: identify(child.pid) is None)
    child.wait()


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"pid": 1}), json.dumps({"pid": 1, "other": 2})])
def test_a_broken_pid_file_names_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    assert Process.load(tmp_path / "p.json") is None


def test_memory_is_counted(tmp_path: Path, started: list[Process]) -> None:
    process = start(tmp_path, started, "sleep", "300")
    taken = processes.memory([process.pid, 2**22 + 1])
    assert 0 < taken.pss <= taken.rss < 50 * 2**20


def test_a_long_log_is_put_aside(tmp_path: Path, started: list[Process], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LARGEST_LOG_BYTES", 3)
    (tmp_path / "log").write_text("long")
    start(tmp_path, started, "sleep", "300")
    assert (tmp_path / "log.1").read_text() == "long"
    assert (tmp_path / "log").read_text() == ""
