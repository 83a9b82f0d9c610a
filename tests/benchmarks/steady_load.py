"""Sends searches at a steady rate from a process of its own, whatever the answers take, until its input ends.

    python -m tests.benchmarks.steady_load RESULT.json < PLAN.json

PLAN, one line: {"port", "key", "rate", "bodies": [...]}. RESULT: [seconds since the epoch, latency in seconds] of each.
Latency counts from the moment at which a search was due: one that had to wait for its predecessors waited.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.load import answered, request_of
from tests.benchmarks.open_load import due_ones, plan_from_stdin

CONNECTIONS = 32


async def run(plan: dict[str, Any], ended: threading.Event) -> list[tuple[float, float]]:
    """Searches until `ended`. Raises `RuntimeError` for any answer but 200."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", plan["port"]))
    requests = [request_of(plan, body) for body in plan["bodies"]]
    found: list[tuple[float, float]] = []
    async with asyncio.TaskGroup() as group:
        async for number, due in due_ones(plan["rate"], ended):
            group.create_task(_search(free, requests[number % len(requests)], due, found))
    return found


async def _search(free: asyncio.Queue[Any], request: bytes, due: float, found: list[tuple[float, float]]) -> None:
    reader, writer = await free.get()
    writer.write(request)
    await answered(reader)
    free.put_nowait((reader, writer))
    found.append((time.time(), time.monotonic() - due))


def main() -> None:
    """From standard input to the file that the command line names."""
    import uvloop

    plan, ended = plan_from_stdin()
    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(run(plan, ended))))


if __name__ == "__main__":
    main()
