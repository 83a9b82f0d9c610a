"""From a row's commit to a search that finds it: PostgreSQL, Debezium, Kafka, a worker, Elasticsearch, at 100 a second.

Real servers and a real `kb worker`; this process is an API server that follows the catalog. Each change rewrites the
text of another row, so that what becomes searchable is known by its place in the operation log. Searchable means: what
a search of this process finds by words alone (on Elasticsearch, or kept here until it is there), and in its vectors; a
search by words for the newest change is asked all the while. All of them share the machine's cores: the row says how
much of a core each took.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from api.knowledge_base import KnowledgeBase
from api.sources.live_sources import LiveSources
from infra.settings import load_settings
from infra.stack.stack import Stack
from retrieval.catalog import schema
from retrieval.catalog.engine import open_engine
from retrieval.errors import NotYetSearchableError
from retrieval.plan import DEFAULT_PLAN, FusionMethod
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR
from tests.benchmarks.machine import percentiles, tree_cpu_seconds
from tests.benchmarks.options import Options

SERVERS = ("postgres", "kafka", "connect", "elasticsearch")
COLLECTION, TABLE = "live", "public.faqs"
PER_SECOND = 100
WARM_UP = 1_500  # changes before the clock counts: caches, and compilers that take most of a core for 20 s
ANSWER = "Send the battery back within thirty days together with the invoice, number {number}, in its own box."
IDLE_SECONDS = 5.0  # without any change, to see what waiting alone costs
PATIENCE_SECONDS = 120.0
ASK_SECONDS = 0.2  # between searches meanwhile
WORDS_ONLY = replace(DEFAULT_PLAN, fusion=FusionMethod.SPARSE)


def measure(options: Options) -> dict[str, Any]:
    """Latencies from commit to searchable, and what the stack took to start."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the servers run as users of their own
        stack = Stack(folder / "stack")
        began = time.perf_counter()
        try:
            stack.up(SERVERS)
            started = time.perf_counter() - began
            resident = sum(one.pss or one.rss or 0 for one in stack.status().values()) / 2**20
            return {
                "stack_seconds": round(started, 1),
                "stack_mb": round(resident),
                "data_sha256": hashlib.sha256(ANSWER.encode()).hexdigest(),
            } | _measured(stack, folder / "data", options)
        finally:
            stack.purge()


def lines(row: dict[str, Any]) -> list[str]:
    """The table for people."""
    fresh = row["commit_to_searchable"]
    return [
        f"{row['changes']} changes at {row['per_s']:.0f}/s: commit to searchable in both legs "
        f"p50 {fresh['p50_ms']:.0f}, p95 {fresh['p95_ms']:.0f}, p99 {fresh['p99_ms']:.0f} ms",
        f"of it commit to catalog p50 {row['commit_to_catalog']['p50_ms']:.0f}, "
        f"p95 {row['commit_to_catalog']['p95_ms']:.0f} ms",
        f"newest change found by words alone, asked meanwhile: {row['found']} of {row['asked']}",
        "cores: " + ", ".join(f"{name} {share:.2f}" for name, share in row["cores"].items()),
        "cores without any change: " + ", ".join(f"{name} {share:.2f}" for name, share in row["idle_cores"].items()),
        f"{', '.join(SERVERS)}: ready after {row['stack_seconds']:.0f} s, {row['stack_mb']} MB",
    ]


def _measured(stack: Stack, folder: Path, options: Options) -> dict[str, Any]:
    environment = {**os.environ, **stack.env(), "KB_DATA_DIR": str(folder), "KB_JOBS": "embedded"}
    settings = load_settings(
        data_dir=folder,
        **{name.removeprefix("KB_").lower(): value for name, value in stack.env().items()},
        jobs="embedded",
    )
    shop = _shop(stack.url("postgres"), WARM_UP + options.writes * 10)
    with KnowledgeBase.open(settings) as kb:
        kb.warm_up()
        kb.ensure_collection(COLLECTION)
        tables = {TABLE: {"title": "question", "body": "{answer}", "metadata": ["status"]}}
        worker = subprocess.Popen([sys.executable, "-m", "api.cli", "worker"], env=environment)
        try:
            LiveSources(kb).create(COLLECTION, "shop", shop, tables)
            pids = {name: one.pid for name, one in stack.status().items() if one.pid is not None}
            return _timed(kb, shop, WARM_UP + options.writes * 10, pids | {"worker": worker.pid})
        finally:
            worker.terminate()
            worker.wait(30)


def _shop(server: str, rows: int) -> str:
    shop = f"{server.rpartition('/')[0]}/shop"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE shop")
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("CREATE TABLE faqs (id int PRIMARY KEY, question text, answer text, status text)")
        connection.execute(
            "INSERT INTO faqs SELECT n, 'How do I return battery ' || n, 'Not known yet.', 'new' "
            "FROM generate_series(1, %s) AS n",
            [rows],
        )
    return shop


def _timed(kb: KnowledgeBase, shop: str, rows: int, pids: dict[str, int]) -> dict[str, Any]:
    collection = kb.catalog.collections.get(COLLECTION)
    _wait(kb, lambda: kb.catalog.documents.counts(collection)[0] == rows)
    runtime = kb.runtime(COLLECTION)
    runtime.follower.wait_while_advancing(before := kb.catalog.collections.last_seq(collection.id), PATIENCE_SECONDS)
    idle, _ = _cores(pids, lambda: time.sleep(IDLE_SECONDS))
    reached, asking = _Reached(runtime.follower), _Asking(kb, collection.id)
    for thread in (reached, asking):
        thread.start()
    began = time.perf_counter()
    cores, committed = _cores(pids, lambda: _change_rows(shop, rows))
    seconds = time.perf_counter() - began
    _wait(kb, lambda: kb.catalog.collections.last_seq(collection.id) >= before + rows)
    runtime.follower.wait_while_advancing(before + rows, PATIENCE_SECONDS)
    for thread in (reached, asking):
        thread.stop()
    seqs, cataloged = _operations(kb, collection.id)
    counted = range(WARM_UP + 1, rows + 1)
    return {
        "changes": len(counted),
        "per_s": rows / seconds,
        "cores": cores,
        "idle_cores": idle,
        "commit_to_searchable": percentiles([reached.when(seqs[number]) - committed[number] for number in counted]),
        "commit_to_catalog": percentiles([cataloged[number] - committed[number] for number in counted]),
        "asked": asking.asked,
        "found": asking.found,
    }


def _cores(pids: dict[str, int], work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """How much of a core each process took meanwhile, and what the work gave."""
    spent, began = _spent(pids), time.perf_counter()
    given = work()
    seconds = time.perf_counter() - began
    return {name: round((now - spent[name]) / seconds, 3) for name, now in _spent(pids).items()}, given


def _spent(pids: dict[str, int]) -> dict[str, float]:
    """Processor seconds so far; "api" is this process, with its follower and the client that changes the rows."""
    return {name: tree_cpu_seconds(pid) for name, pid in pids.items()} | {"api": time.process_time()}


def _change_rows(shop: str, rows: int) -> dict[int, float]:
    """Rewrite each row once, evenly in time; when each was committed."""
    committed = {}
    with psycopg.connect(shop, autocommit=True) as connection:
        began = time.perf_counter()
        for number in range(1, rows + 1):
            answer = ANSWER.format(number=number)
            connection.execute("UPDATE faqs SET answer = %s WHERE id = %s", [answer, number])
            committed[number] = time.time()
            time.sleep(max(0.0, began + number / PER_SECOND - time.perf_counter()))
    return committed


class _Watch(threading.Thread):
    """Looks until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self.join()


class _Reached(_Watch):
    """Notes when searches see each operation."""

    def __init__(self, follower: Any) -> None:
        super().__init__()
        self._follower = follower
        self._seqs: list[int] = []
        self._times: list[float] = []

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follower.wait_for(self._follower.seq + 1, 0.5)
            except NotYetSearchableError:
                continue
            self._times.append(time.time())
            self._seqs.append(self._follower.seq)

    def when(self, seq: int) -> float:
        return self._times[bisect_left(self._seqs, seq)]


class _Asking(_Watch):
    """Searches, by words alone, for the change that the last operation was which searches see."""

    def __init__(self, kb: KnowledgeBase, collection_id: int) -> None:
        super().__init__()
        self.asked = self.found = 0
        self._kb = kb
        self._collection_id = collection_id
        self._follower = kb.runtime(COLLECTION).follower

    def run(self) -> None:
        d = schema.documents.c
        newest = sa.select(d.key).where(d.collection_id == self._collection_id)
        engine = open_engine(self._kb.settings.catalog_url)
        last = self._follower.seq
        while not self._stopping.wait(ASK_SECONDS):
            if (seq := self._follower.seq) == last:
                continue
            with engine.connect() as connection:
                key = connection.execute(newest.where(d.seq == (last := seq))).scalar_one()
            number = SearchRequest(key.rpartition("/")[2], 5)  # the one word that tells the rows apart
            hits = self._kb.search(COLLECTION, number, OPERATOR, plan=WORDS_ONLY).hits
            self.asked += 1
            self.found += any(hit.chunk.key == key for hit in hits)
        engine.dispose()


def _operations(kb: KnowledgeBase, collection_id: int) -> tuple[dict[int, int], dict[int, float]]:
    """By row, the operation that its last change became, and when that was committed to the catalog."""
    d = schema.documents.c
    engine = open_engine(kb.settings.catalog_url)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(d.key, d.seq, d.cataloged_at).where(d.collection_id == collection_id)).all()
    engine.dispose()
    numbered = {int(row.key.rpartition("/")[2]): row for row in rows}
    return {n: row.seq for n, row in numbered.items()}, {n: row.cataloged_at.timestamp() for n, row in numbered.items()}


def _wait(kb: KnowledgeBase, holds: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("the changes did not arrive; see the worker's output")
        time.sleep(0.1)
