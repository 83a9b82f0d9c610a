"""A long backlog is drained whole and in bounded memory: small in every run, a million events in `make soak`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from change_events import Event, event
from stack import StackOf
from worker_world import world

pytestmark = [pytest.mark.server, pytest.mark.slow]
KEYS = 5_000  # rows; each is changed again and again, so that what is stored stays small
MEGABYTES_MORE = 250  # at any lag: fetched answers, one batch, SQLite's caches
SMALL, LARGE = 10_000, 1_000_000
LINE = "Send the battery back within thirty days together with the invoice."


def backlog(count: int) -> Iterator[Event]:
    for number in range(count):
        key = number % KEYS
        row = {"id": key, "title": "How do I return a battery", "body": LINE, "status": f"{number}"}
        yield event("public.faqs", "u", key, row, 1_000 + number)


def drained(environment: Mapping[str, str]) -> int:
    """The most memory, MB resident, that a worker of its own took to apply everything."""
    command = [sys.executable, "-m", "api.cli", "worker", "--until-caught-up"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as worker:
        peak = 0
        while worker.poll() is None:
            peak = max(peak, high_water_mb(worker.pid))
            time.sleep(0.1)
    assert worker.returncode == 0
    return peak


def high_water_mb(pid: int) -> int:
    """`VmHWM` of the process; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) // 1024 if lines else 0


@pytest.mark.parametrize("count", [SMALL, pytest.param(LARGE, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_a_backlog_is_drained_in_bounded_memory(tmp_path: Path, stack_of: StackOf, count: int) -> None:
    with world(tmp_path / "data", stack_of("kafka").url("kafka")) as shop:
        shop.send(backlog(2_000))
        idle = drained(shop.environment)
        shop.send(backlog(count))
        peak = drained(shop.environment)
        offsets = shop.kb.catalog.offsets.read(shop.source.id)
        assert sum(offsets.values()) == count + 2_000
        assert {key: status for key, (_, status) in shop.documents.items()} == {
            f"public.faqs/{key}": str(count - KEYS + key) for key in range(KEYS)
        }
        print(f"{count:,} events: {peak} MB at most, {idle} MB for 2,000")
        assert peak - idle < MEGABYTES_MORE, f"{peak} MB for {count:,} events, {idle} MB for 2,000"
