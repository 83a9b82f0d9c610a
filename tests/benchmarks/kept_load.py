"""As `steady_load`, but from several sessions, and every answer is kept to be judged afterwards, failures too.

    python -m tests.benchmarks.kept_load ANSWERS.jsonl < PLAN.json

PLAN, one line: {"port", "key", "rate", "sessions", "bodies": [...]}. ANSWERS, a line a search: {"number", "session",
"query"}, "asked", "came" and "due" in seconds since the epoch, with "answer", or with "error" where none came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from tests.benchmarks.load import answered, request_of
from tests.benchmarks.open_load import due_ones, plan_from_stdin

CONNECTIONS = 32

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class KeptLoad:
    """An open load: a search is sent when it is due, as far as connections are free."""

    def __init__(self, plan: dict[str, Any], kept: TextIO) -> None:
        self._plan = plan
        self._kept = kept
        self._free: asyncio.Queue[Connection] = asyncio.Queue()

    async def run(self, ended: threading.Event) -> None:
        """Until `ended`."""
        for _ in range(CONNECTIONS):
            self._free.put_nowait(await self._connect())
        async with asyncio.TaskGroup() as group:
            async for number, due in due_ones(self._plan["rate"], ended, time.time):
                group.create_task(self._search(number, due))

    async def _search(self, number: int, due: float) -> None:
        body, session = self._plan["bodies"][number % len(self._plan["bodies"])], number % self._plan["sessions"]
        request = request_of(self._plan, body, f"session-{session}")
        connection = await self._free.get()
        asked = time.time()
        try:
            connection[1].write(request)
            told: dict[str, Any] = {"answer": json.loads(await answered(connection[0]))}
        except (OSError, EOFError, RuntimeError, ValueError) as error:
            told = {"error": repr(error)}
            connection = await self._connect()
        came = time.time()
        self._free.put_nowait(connection)
        about = {"number": number, "session": session, "query": body["query"]}
        about |= {"asked": asked, "came": came, "due": due}
        self._kept.write(json.dumps(about | told) + "\n")

    async def _connect(self) -> Connection:
        return await asyncio.open_connection("127.0.0.1", self._plan["port"], limit=2**20)


def main() -> None:
    """From standard input to the file that the command line names."""
    import uvloop

    plan, ended = plan_from_stdin()
    with Path(sys.argv[1]).open("w", encoding="utf-8") as kept:
        uvloop.run(KeptLoad(plan, kept).run(ended))


if __name__ == "__main__":
    main()
