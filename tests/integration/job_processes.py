"""Real processes that run jobs, and a plug-in with tasks that can be watched, interrupted and feared."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx

PATIENCE_SECONDS = 60.0
STEP_SECONDS = 0.05
ENTRY_POINTS = "[autoglm_kb.task]\ncount = job_plugin:count_task\npoison = job_plugin:poison_task\n"
PLUGIN = f'''
import fcntl, os, time
from api.jobs.tasks import Task
from api.wire.base import Request

class CountArguments(Request):
    log: str
    steps: int

class PoisonArguments(Request):
    log: str

def write(log, line):
    with open(log, "a") as stream:
        stream.write(f"{{line}}\\n")

def count(kb, collection, arguments, report):
    """Takes a lock that dies with its process, so that a second run at the same time is seen."""
    with open(arguments["log"] + ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            write(arguments["log"], "overlap")
        write(arguments["log"], f"begin {{os.getpid()}}")
        for step in range(arguments["steps"]):
            report(step, arguments["steps"])
            time.sleep({STEP_SECONDS})
            write(arguments["log"], "step")
        report(arguments["steps"], arguments["steps"])
    return {{"steps": arguments["steps"]}}

def poison(kb, collection, arguments, report):
    write(arguments["log"], f"begin {{os.getpid()}}")
    os.kill(os.getpid(), 9)

def count_task():
    return Task(count, CountArguments, needs_collection=False)

def poison_task():
    return Task(poison, PoisonArguments, needs_collection=False)
'''


def install_plugin(folder: Path) -> Path:
    """The plug-in as an installed distribution in that folder, which belongs on PYTHONPATH."""
    described = folder / "job_plugin-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: job-plugin\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "job_plugin.py").write_text(PLUGIN)
    return folder


class Process:
    """One `kb …` over a data folder, with the plug-in."""

    def __init__(self, folder: Path, *command: str, **environment: str) -> None:
        path = f"{folder / 'plugin'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        settings = {"KB_DATA_DIR": str(folder / "kb"), "KB_ENCODER": "hash", "PYTHONPATH": path}
        self.log = folder / f"{command[0]}-{time.monotonic_ns()}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api.cli", *command],
                env=os.environ | settings | environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End it with that signal; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(PATIENCE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


class Server(Process):
    """A real `kb serve` on a free port."""

    def __init__(self, folder: Path, **environment: str) -> None:
        super().__init__(folder, "serve", "--port", "0", **environment)
        self.key = self.url = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:  # the key, the first time, comes before the address
            self.key = next((word for word in line.split() if word.startswith("kb_")), self.key)
            if found := re.search(r"http://[\d.]+:\d+", line):
                self.url = found.group()
                break

    def client(self, key: str) -> httpx.Client:
        """A client with that key."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


class Diary:
    """What the runs of one counting job wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[str]:
        """Every line so far."""
        return self.path.read_text().splitlines() if self.path.exists() else []

    def counted(self) -> Counter[str]:
        """How often each word begins a line: begin, step, overlap."""
        return Counter(line.split()[0] for line in self.lines())

    def pids(self) -> list[int]:
        """The processes that began it, in order."""
        return [int(line.split()[1]) for line in self.lines() if line.startswith("begin")]


def end_all(processes: Sequence[Process]) -> None:
    """None outlives its test."""
    for one in processes:
        one.kill()
