"""Random changes of two live databases while everything under them is killed and frozen: nothing lost, nothing stale.

python -m tests.soak.chaos --changes 10000 --seed 0 --json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.stack.stack import Stack

from . import databases, judgement
from .faults import LONG_OUTAGE, ROUND, SMALL, Chaos, Fault
from .history import History
from .processes import Processes
from .rereading import Rereading
from .searcher import COLLECTION, STRICT, Calm, Searcher
from .writer import Writer

SERVERS = ("postgres", "mariadb", "kafka", "connect", "elasticsearch")
FRESHNESS_SECONDS = 5.0  # with all servers up, no answer is further behind; also right after a recovery
PROGRESS_SECONDS = 10.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How much is done, and how fast."""

    changes: int
    seed: int = 0
    per_second: float = 40.0  # changes
    pause: float = 3 * FRESHNESS_SECONDS  # of calm between two faults; within the bound nothing can be told too old
    faults: Sequence[Fault] = SMALL
    read_again: bool = False  # all tables at every fault
    snapshot_seconds: float = 120.0
    catch_up_seconds: float = 300.0


FULL_FAULTS = (*ROUND[:4], LONG_OUTAGE, *ROUND[4:])


def run(stack: Stack, folder: Path, data: Path, options: Options) -> dict[str, Any]:
    """The whole test on a stack of its own; the report, whose `failures` is empty where all held."""
    began = time.monotonic()
    urls = {
        databases.NORTHWIND: databases.load_northwind(stack, data),
        databases.CHINOOK: databases.load_chinook(stack, data),
    }
    mappings = {
        databases.NORTHWIND: databases.northwind_mapping(),
        databases.CHINOOK: databases.chinook_mapping("chinook"),
    }
    processes = Processes(stack, folder)
    try:
        processes.start()
        with processes.client() as client:
            for name, url in urls.items():
                body = {"name": name, "collection": COLLECTION, "url": url, "tables": mappings[name]}
                client.post("/sources", json=body).raise_for_status()
            judge = judgement.Judge(client, processes, urls, mappings)
            report: dict[str, Any] = {"snapshot": judge.snapshot(options.snapshot_seconds)}
            report |= under_fire(stack, processes, urls, mappings, options)
            report["final"] = judge.final(options.catch_up_seconds)
    finally:
        ends = processes.end()
    report["seconds"] = round(time.monotonic() - began, 1)
    report["exit_statuses"] = ends
    report["failures"] += [*report["snapshot"].pop("failures"), *report["final"].pop("failures")]
    return report


def under_fire(
    stack: Stack,
    processes: Processes,
    urls: Mapping[str, str],
    mappings: dict[str, dict[str, Any]],
    options: Options,
) -> dict[str, Any]:
    """Changes, searches, readings and faults at the same time; afterwards `mappings` are those of the last reading."""
    engines = {name: databases.engine_of(url) for name, url in urls.items()}
    history, calm = History(), Calm()
    with processes.client() as one, processes.client() as other:
        searcher = Searcher(one, history, calm, FRESHNESS_SECONDS, options.seed)
        writer = Writer(engines, history, options.seed, options.per_second)
        asking = Searcher(other, history, calm, FRESHNESS_SECONDS)
        rereading = Rereading(other, mappings) if options.read_again else None
        chaos = Chaos(stack, processes, engines, history, asking, calm, rereading)
        failures: list[str] = []
        writing = _thread(lambda: writer.run(options.changes), "writer", failures)
        others = [
            _thread(searcher.run, "searcher", failures),
            _thread(lambda: chaos.run(options.faults, options.pause, over=writer.over), "chaos", failures),
        ]
        began = time.monotonic()
        memory = _watch(writing, others[1], processes, writer, chaos, failures)
        writer.stop.set()
        chaos.stop.set()
        searcher.stop.set()
        for thread in (writing, *others):
            thread.join(60)
    return {
        "changes": dict(sorted(writer.counts.items())),
        "committed": writer.committed,
        "writing_seconds": round(time.monotonic() - began, 1),
        "searches": dict(sorted(searcher.counts.items())),
        "freshness_bound": FRESHNESS_SECONDS,
        "judged_beyond_it": searcher.counts[STRICT],
        "oldest_answer": round(searcher.oldest, 3),
        "faults": chaos.told,
        "read_again": dict(sorted(rereading.counts.items())) if rereading else {},
        "largest_resident_mb": memory,
        "failures": [*failures, *chaos.problems, *searcher.wrong],
    }


def _watch(
    writing: threading.Thread, chaos_thread: threading.Thread, processes: Processes,
    writer: Writer, chaos: Chaos, failures: list[str],
) -> dict[str, float]:  # fmt: skip
    """Wait for the changes and the faults to be done, or for a failure; the most memory that each process took."""
    memory: dict[str, float] = {}
    told = time.monotonic()
    while (writing.is_alive() or chaos_thread.is_alive()) and not failures:
        for name, now in processes.memory().items():
            memory[name] = max(memory.get(name, 0.0), now)
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            logger.info("%d changes, faults: %s", writer.committed, chaos.told[-1:])
        time.sleep(0.5)
    return memory


def _thread(work: Callable[[], None], name: str, failures: list[str]) -> threading.Thread:
    def guarded() -> None:
        try:
            work()
        except Exception as error:  # whatever it is, the report must tell it
            logger.exception("%s failed", name)
            failures.append(f"{name}: {error!r:.500}")

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def own_stack() -> Iterator[Stack]:
    """All servers in a folder that is gone afterwards; not in a private one, which the servers' user may not enter."""
    folder = Path(tempfile.gettempdir()) / f"kb-chaos-{os.getpid()}"
    stack = Stack(folder)
    try:
        stack.up(SERVERS)
        yield stack
    finally:
        stack.purge()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--per-second", type=float, default=40.0)
    parser.add_argument("--pause", type=float, default=3 * FRESHNESS_SECONDS, help="seconds between two faults")
    parser.add_argument("--small", action="store_true", help="three kills only")
    parser.add_argument("--read-again", action="store_true", help="every fault meets tables that are read again")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for the processes' data and logs; default: a temporary one")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for noisy in ("httpx", "kafka"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    repository = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("KB_TEST_DATA_DIR", repository.parent / "shared" / "data"))
    faults = SMALL if given.small else FULL_FAULTS
    options = Options(given.changes, given.seed, given.per_second, given.pause, faults, given.read_again)
    with contextlib.ExitStack() as opened:
        folder = given.keep or Path(opened.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        report = run(opened.enter_context(own_stack()), folder, data, options)
    print(json.dumps(report, indent=None if given.json else 2))
    return 1 if report["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
