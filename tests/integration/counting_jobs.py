"""A plug-in with tasks that can be watched, interrupted and feared, and the diary that they write."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

STEP_SECONDS = 0.05
ENTRY_POINTS = "[autoglm_kb.task]\ncount = job_plugin:count_task\npoison = job_plugin:poison_task\n"
PLUGIN = f'''
import fcntl, os, time
from api.jobs.tasks import Task
from api.wire.base import Request
from retrieval.errors import InvalidInputError

class CountArguments(Request):
    log: str
    steps: int

class PoisonArguments(Request):
    log: str

def write(log, line):
    with open(log, "a") as stream:
        stream.write(f"{{line}}\\n")

def count(kb, collection, arguments, report):
    """Takes a lock that dies with its process, so that a second run at the same time is seen.

    Files beside its log steer it: `enough` ends the steps, with `stone` it fails, with `deaf` it goes on after its last
    report.
    """
    there = lambda name: os.path.exists(arguments["log"] + "." + name)
    with open(arguments["log"] + ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            write(arguments["log"], "overlap")
        write(arguments["log"], f"begin {{os.getpid()}}")
        for step in range(arguments["steps"]):
            report(step, arguments["steps"])
            if there("enough"):
                break
            time.sleep({STEP_SECONDS})
            write(arguments["log"], "step")
        if there("stone"):
            raise InvalidInputError("stumbled over a stone; take it away")
        report(arguments["steps"], arguments["steps"])
        if there("deaf"):
            write(arguments["log"], "deaf")
        while there("deaf"):
            time.sleep({STEP_SECONDS})
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


class Diary:
    """What the runs of one counting job wrote, and the files that steer it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, name: str) -> None:
        """Make the file of that name beside it: enough, stone or deaf."""
        self._beside(name).touch()

    def take(self, name: str) -> None:
        """Take it away again."""
        self._beside(name).unlink()

    def _beside(self, name: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{name}")

    def lines(self) -> list[str]:
        """Every line so far."""
        return self.path.read_text().splitlines() if self.path.exists() else []

    def counted(self) -> Counter[str]:
        """How often each word begins a line: begin, step, overlap."""
        return Counter(line.split()[0] for line in self.lines())

    def pids(self) -> list[int]:
        """The processes that began it, in order."""
        return [int(line.split()[1]) for line in self.lines() if line.startswith("begin")]
