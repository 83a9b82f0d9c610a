"""Search over HTTP at 10,000 chunks: latency with 1 client, throughput with 8, beside the same searches in process.

Every question is another one, so that no cache answers. The load comes from a second process on the same machine;
its own processor time is reported, since it takes that from the server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR
from tests.benchmarks.corpora import ENGLISH, all_questions, corpus_file
from tests.benchmarks.machine import ROOT, cpu_seconds, data_hash, percentiles, resident_mb, timed
from tests.benchmarks.options import Options
from tests.benchmarks.serving import COLLECTION, Served, built, search_body, serve

CLIENTS = (1, 8)
WARM_UP = 50  # searches before the clock counts


def measure(options: Options) -> dict[str, Any]:
    """Latencies by number of clients, and in process."""
    folder = built(options)
    questions = all_questions("nfcorpus")
    row: dict[str, Any] = {"data_sha256": data_hash([corpus_file(name) for name in ENGLISH])}
    with KnowledgeBase.open(Settings(data_dir=folder)) as kb:
        row["chunks"] = len(kb.catalog.log.state(kb.catalog.collections.get(COLLECTION)).labels)
        row["in process"] = _in_process(kb, questions[: options.requests])
    with serve(folder) as served:
        row["start_seconds"] = round(served.start_seconds, 3)
        _load(served, 1, questions[-WARM_UP:])
        for clients in CLIENTS:
            asked = _part(questions, options.requests, clients)
            row[f"{clients} clients"] = _load(served, clients, asked)
        row["server_resident_mb"] = resident_mb(served.pid)
    return row


def lines(row: dict[str, Any]) -> list[str]:
    """The table for people."""
    table = [
        f"{row['chunks']} chunks; server {row['server_resident_mb']:.0f} MB, first answer {row['start_seconds']:.2f} s"
    ]
    for name in ("in process", *(f"{clients} clients" for clients in CLIENTS)):
        one = row[name]
        rate = f"{one['per_s']:8.0f}/s" if "per_s" in one else ""
        cpu = f"  client CPU {one['client_cpu_share']:.0%}, server CPU {one['server_cpu_share']:.0%}" if rate else ""
        table.append(
            f"{name:12} p50 {one['p50_ms']:.2f}  p95 {one['p95_ms']:.2f}  p99 {one['p99_ms']:.2f} ms{rate}{cpu}"
        )
    return [*table, "in process by stage, mean ms: " + json.dumps(row["in process"]["stages_ms"])]


def _part(questions: list[str], count: int, clients: int) -> list[str]:
    """So many questions, another stretch for each number of clients, none asked twice within what is cached."""
    start = 0 if clients == CLIENTS[0] else len(questions) // 2
    turned = questions[start:] + questions[:start]
    return [turned[number % len(turned)] for number in range(count)]


def _in_process(kb: KnowledgeBase, questions: list[str]) -> dict[str, Any]:
    runtime = kb.runtime(COLLECTION)
    seconds, stages = [], []
    for question in questions:
        spent, result = timed(lambda: kb.search(COLLECTION, SearchRequest(question), OPERATOR))  # noqa: B023
        seconds.append(spent)
        stages.append(result.stages)
    mean = {name: round(sum(one[name] for one in stages) / len(stages), 3) for name in stages[0]}
    return percentiles(seconds) | {"stages_ms": mean, "plan": runtime.plan.digest}


def _load(served: Served, clients: int, questions: list[str]) -> dict[str, Any]:
    plan = {"port": served.port, "key": served.key, "clients": clients, "bodies": [search_body(q) for q in questions]}
    before = cpu_seconds(served.pid)
    command = [sys.executable, "-m", "tests.benchmarks.load"]
    done = subprocess.run(command, input=json.dumps(plan), capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the load generator failed: {done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    wall = found["wall_seconds"]
    return percentiles(found["latencies"]) | {
        "per_s": round(len(questions) / wall, 1),
        "requests": len(questions),
        "client_cpu_share": round(found["client_cpu_seconds"] / wall, 3),
        "server_cpu_share": round((cpu_seconds(served.pid) - before) / wall, 3),
    }
