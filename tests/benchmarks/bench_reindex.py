"""Reindexing 10,000 chunks to another chunking, everything embedded again, under 50 searches a second over HTTP.

The load is open: a search is due every 20 ms, and what it waits for its predecessors counts. No search may fail.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.corpora import ENGLISH, all_questions, corpus_file
from tests.benchmarks.machine import ROOT, data_hash, percentiles
from tests.benchmarks.options import Options
from tests.benchmarks.serving import COLLECTION, Served, built, search_body, serve

RATE = 50  # searches a second
BEFORE_SECONDS = 20.0
AFTER_SECONDS = 5.0  # the exchange itself, and what follows
CHUNK_TOKENS = 160  # the collection has 220
POLL_SECONDS = 0.5
MAX_SECONDS = 1_800.0


def measure(options: Options) -> dict[str, Any]:
    """Latencies before, during and after a reindex, and how long it and a rollback took."""
    questions = all_questions("nfcorpus")
    row: dict[str, Any] = {"data_sha256": data_hash([corpus_file(name) for name in ENGLISH]), "rate": RATE}
    source = built(replace(options, chunks=options.reindexed))
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        folder = Path(name) / "kb"
        shutil.copytree(source, folder)
        with serve(folder) as served, served.client() as client:
            load = _start_load(served, questions, result := Path(name) / "load.json")
            time.sleep(BEFORE_SECONDS / (10 if options.reindexed < 1_000 else 1))
            times = _reindexed(client)
            time.sleep(AFTER_SECONDS)
            row |= _latencies(_finish(load, result), times)
            row |= {"job": times["result"]["evidence"]["parity"], "rollback_seconds": _rollback(client)}
    return row


def lines(row: dict[str, Any]) -> list[str]:
    """The table for people."""
    table = [
        f"{row['job']['chunks']} chunks built in {row['reindex_seconds']:.0f} s under {RATE} searches/s; "
        f"rollback {row['rollback_seconds']:.2f} s"
    ]
    for name in ("before", "during", "after"):
        one = row[name]
        table.append(
            f"{name:7} {one['searches']:6} searches  p50 {one['p50_ms']:.2f}  p95 {one['p95_ms']:.2f}  "
            f"p99 {one['p99_ms']:.2f} ms"
        )
    return [*table, f"p95 during / before: {row['during']['p95_ms'] / row['before']['p95_ms']:.2f}"]


def _start_load(served: Served, questions: list[str], result: Path) -> subprocess.Popen[str]:
    plan = {"port": served.port, "key": served.key, "rate": RATE, "bodies": [search_body(q) for q in questions]}
    command = [sys.executable, "-m", "tests.benchmarks.steady_load", str(result)]
    load = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert load.stdin is not None
    load.stdin.write(json.dumps(plan) + "\n")
    load.stdin.flush()
    return load


def _finish(load: subprocess.Popen[str], result: Path) -> list[tuple[float, float]]:
    _, errors = load.communicate()
    if load.returncode != 0:
        raise SystemExit(f"a search failed: {errors[-2000:]}")
    found: list[tuple[float, float]] = json.loads(result.read_text())
    return found


def _reindexed(client: httpx.Client) -> dict[str, Any]:
    """When the job began and ended, and its result."""
    began = time.time()
    body = {"kind": "reindex", "collection": COLLECTION, "arguments": {"chunk_tokens": CHUNK_TOKENS}}
    answer = client.post("/v1/jobs", json=body)
    answer.raise_for_status()
    while time.time() - began < MAX_SECONDS:
        job = client.get(f"/v1/jobs/{answer.json()['id']}").json()
        if job["state"] == "succeeded":
            return {"began": began, "ended": time.time(), "result": job["result"]}
        if job["state"] in ("failed", "cancelled"):
            raise SystemExit(f"the reindex {job['state']}: {job['error']}")
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"the reindex took longer than {MAX_SECONDS:.0f} s")


def _rollback(client: httpx.Client) -> float:
    began = time.perf_counter()
    client.post(f"/v1/collections/{COLLECTION}/generations:rollback").raise_for_status()
    return round(time.perf_counter() - began, 3)


def _latencies(found: list[tuple[float, float]], times: dict[str, Any]) -> dict[str, Any]:
    parts: dict[str, list[float]] = {"before": [], "during": [], "after": []}
    for at, latency in found:
        name = "before" if at < times["began"] else "during" if at < times["ended"] else "after"
        parts[name].append(latency)
    measured: dict[str, Any] = {name: percentiles(part) | {"searches": len(part)} for name, part in parts.items()}
    return measured | {"reindex_seconds": round(times["ended"] - times["began"], 1)}
