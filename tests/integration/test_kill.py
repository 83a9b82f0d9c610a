"""kill -9 of the real process at any moment loses nothing and doubles nothing."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.knowledge_base import KnowledgeBase
from api.maintenance import verify_collection
from infra.settings import Settings
from retrieval.types import OPERATOR

MAX_KILLS = 5
FEWEST_KILLS = 2
PATIENCE_SECONDS = 120


def ingest(corpus: Path, data: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"KB_DATA_DIR": str(data), "KB_ENCODER": "hash", "KB_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "api.cli", "ingest", str(corpus), "-c", "killed", "--json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)


def committed(data: Path) -> int:
    """Operations in the catalog, seen from outside; 0 while there is none."""
    import sqlite3

    try:
        with sqlite3.connect(f"file:{data / 'catalog.db'}?mode=ro", uri=True, timeout=10) as connection:
            row = connection.execute("SELECT last_seq FROM collections").fetchone()
    except sqlite3.OperationalError:
        return 0
    return row[0] if row else 0


@pytest.mark.data
@pytest.mark.slow
def test_killed_ingestion_of_a_real_set_ends_complete(tmp_path: Path, data_dir_public: Path) -> None:
    corpus, data = data_dir_public / "nfcorpus" / "corpus.jsonl.gz", tmp_path / "kb"
    dice = random.Random(7)
    seen = []
    while len(seen) < MAX_KILLS:
        process = ingest(corpus, data)
        before, deadline = committed(data), time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and committed(data) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(dice.random() * 0.3)  # somewhere in the middle of a batch, a commit or a view's write
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        seen.append(committed(data))
    assert len(seen) >= FEWEST_KILLS, f"only {len(seen)} kills hit a running ingestion: the test proves too little"
    output, _ = (last := ingest(corpus, data)).communicate(timeout=PATIENCE_SECONDS)
    assert last.returncode == 0
    report = json.loads(output)
    assert report["unchanged"] + report["stale"] >= max(seen)

    with gzip.open(corpus, "rt", encoding="utf-8") as lines:
        truth = {row["id"]: row["text"] for row in map(json.loads, lines)}
    with KnowledgeBase.open(Settings(data_dir=data, encoder="hash")) as kb:
        collection = kb.catalog.collections.get("killed")
        assert kb.catalog.documents.keys(collection) == set(truth)
        for key in dice.sample(sorted(truth), 50):
            stored = kb.catalog.documents.get(collection, key, OPERATOR).document.text
            assert stored.split() == unicodedata.normalize("NFC", truth[key]).split()
        verdict = verify_collection(kb, "killed")
        assert verdict.in_step, verdict.sentence()
        assert verdict.documents == len(truth)


class Server:
    """A real `kb serve` on a free port; `kill` is kill -9."""

    def __init__(self, data: Path) -> None:
        environment = os.environ | {"KB_DATA_DIR": str(data), "KB_ENCODER": "hash"}
        command = [sys.executable, "-m", "api.cli", "serve", "--port", "0"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.key = ""
        for line in self.process.stdout:  # the key, the first time, comes before the address
            self.key = next((word for word in line.split() if word.startswith("kb_")), self.key)
            if found := re.search(r"http://[\d.]+:\d+", line):
                self.url = found.group()
                break

    @contextmanager
    def client(self, key: str) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
                time.sleep(0.05)
            yield client

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def start() -> Iterator[Callable[[Path], Server]]:
    """Starts servers; none outlives the test."""
    started: list[Server] = []

    def begin(data: Path) -> Server:
        started.append(Server(data))
        return started[-1]

    yield begin
    for server in started:
        server.kill()


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill(tmp_path: Path, start: Callable[[Path], Server]) -> None:
    server = start(tmp_path)
    key = server.key
    with server.client(key) as client:
        assert client.post("/v1/collections", json={"name": "c"}).status_code == 201
    acknowledged: dict[str, str] = {}
    for round_ in range(3):
        with server.client(key) as client:
            client.put("/v1/collections/c/documents/warm", json={"text": "a first text, which loads what writes need"})
            threading.Timer(0.7, server.process.kill).start()
            for number in range(10_000):
                name, text = f"k{number % 40}", f"round{round_}x{number} about valves"
                try:
                    answer = client.put(f"/v1/collections/c/documents/{name}", json={"text": text})
                except httpx.TransportError:
                    acknowledged.pop(name, None)  # it may or may not have been committed
                    break
                assert answer.status_code in (200, 201), answer.text
                acknowledged[name] = text
        server.kill()
        assert acknowledged, "nothing was written before the kill"
        server = start(tmp_path)
        with server.client(key) as client:
            for name, text in acknowledged.items():
                assert client.get(f"/v1/collections/c/documents/{name}").json()["text"] == text
                query = {"collection": "c", "query": text.split()[0], "top_k": 1}
                assert client.post("/v1/search", json=query).json()["hits"][0]["key"] == name
