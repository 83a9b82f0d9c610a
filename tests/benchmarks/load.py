"""Sends searches from a process of its own: raw asyncio sockets, connections kept alive, each client one at a time.

    python -m tests.benchmarks.load < PLAN.json > RESULT.json

PLAN: {"port", "key", "clients", "bodies": [...]}. RESULT: latencies in seconds, wall and processor seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Any


async def run(plan: dict[str, Any]) -> dict[str, Any]:
    """All bodies, shared out among the clients."""
    requests = iter([request_of(plan, body) for body in plan["bodies"]])
    latencies: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_client(plan["port"], requests, latencies) for _ in range(plan["clients"])))
    return {
        "latencies": latencies,
        "wall_seconds": time.perf_counter() - began,
        "client_cpu_seconds": time.process_time() - cpu,
    }


def request_of(plan: dict[str, Any], body: dict[str, Any], session: str = "") -> bytes:
    """The bytes of one search."""
    content = json.dumps(body).encode()
    named = f"X-Session-Id: {session}\r\n" if session else ""
    head = (
        f"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1:{plan['port']}\r\nAuthorization: Bearer {plan['key']}\r\n"
        f"{named}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def _client(port: int, requests: Iterator[bytes], latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        began = time.perf_counter()
        writer.write(request)
        await answered(reader)
        latencies.append(time.perf_counter() - began)
    writer.close()
    await writer.wait_closed()


async def answered(reader: asyncio.StreamReader) -> bytes:
    """One answer's body, read whole. Raises `RuntimeError` for anything but 200."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lengths = [line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
    body = await reader.readexactly(int(lengths[0]))
    if not head.startswith("HTTP/1.1 200"):
        raise RuntimeError(f"{head.splitlines()[0]}: {body[:500].decode(errors='replace')}")
    return body


def main() -> None:
    """From standard input to standard output."""
    import uvloop

    sys.stdout.write(json.dumps(uvloop.run(run(json.load(sys.stdin)))))


if __name__ == "__main__":
    main()
