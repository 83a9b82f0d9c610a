"""A real `kb serve` over a collection of about 10,000 chunks, and a client that keeps its connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from infra.stack.site import free_port
from ingest.sources.jsonl import JsonlSource
from retrieval.catalog.keys import Scope
from tests.benchmarks.corpora import with_chunks, write_jsonl
from tests.benchmarks.options import Options

COLLECTION = "served"
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers, and a key that may do everything."""

    pid: int
    port: int
    key: str
    start_seconds: float

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.key}"}

    def client(self) -> httpx.Client:
        """One connection, kept alive."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=self.headers, timeout=60)


def built(options: Options) -> Path:
    """The data folder with the collection; the first time it is built, then kept for the next row."""
    folder = options.work / f"served-{options.chunks}"
    corpus = options.work / f"served-{options.chunks}.jsonl"
    if corpus.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    records = with_chunks(options.chunks)
    with KnowledgeBase.open(Settings(data_dir=folder)) as kb, tempfile.TemporaryDirectory() as name:
        kb.ensure_collection(COLLECTION)
        part = write_jsonl(Path(name) / "corpus.jsonl", records)
        kb.ingest(COLLECTION, JsonlSource(part, "corpus"))
    write_jsonl(corpus, records)  # last: says that the folder is whole
    return folder


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """`kb serve` in a process of its own, ready to search; ended at the end."""
    key, port = _key(folder), free_port()
    environment = os.environ | {"KB_DATA_DIR": str(folder), "KB_PORT": str(port), "KB_LOG_LEVEL": "WARNING"}
    began = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", "api.cli", "serve"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            served = Served(process.pid, port, key, 0.0)
            _wait_ready(served, process, log)
            yield Served(process.pid, port, key, time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def search_body(query: str) -> dict[str, Any]:
    """The request as a client sends it: defaults, ten hits with highlights."""
    return {"query": query, "collection": COLLECTION}


def _key(folder: Path) -> str:
    with KnowledgeBase.open(Settings(data_dir=folder)) as kb:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        _, key = kb.catalog.keys.create("bench", Scope.ADMIN, expires_at=tomorrow)
    return key


def _wait_ready(served: Served, process: subprocess.Popen[bytes], log: Any) -> None:
    """Until a search is answered, which opens encoder and indexes."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with served.client() as client:
                answer = client.post("/v1/search", json=search_body("a first question"))
            if answer.status_code == 200:
                return
            raise SystemExit(f"the server refuses a search: {answer.status_code} {json.dumps(answer.json())}")
        except httpx.TransportError:
            time.sleep(0.05)
    log.seek(0)
    raise SystemExit(f"kb serve did not become ready:\n{log.read().decode(errors='replace')}")
