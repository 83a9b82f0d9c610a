"""kill -9 of the real process at any moment loses nothing and doubles nothing."""

from __future__ import annotations

import gzip
import json
import os
import random
import sqlite3
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
from kb_processes import Server, end_all, printed_by
from waiting import eventually

from api.knowledge_base import KnowledgeBase
from api.upkeep.maintenance import verify_collection
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
    report = json.loads(printed_by(ingest(corpus, data)))
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


@contextmanager
def client_of(server: Server, key: str) -> Iterator[httpx.Client]:
    """A client with that key, once the server is ready."""
    with server.client(key) as client:
        eventually(lambda: client.get("/readyz").status_code == 200, seconds=PATIENCE_SECONDS, what="readyz")
        yield client


@pytest.fixture
def start() -> Iterator[Callable[[Path], Server]]:
    """Starts servers; none outlives the test."""
    started: list[Server] = []

    def begin(data: Path) -> Server:
        started.append(Server(data))
        return started[-1]

    yield begin
    end_all(started)


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill(tmp_path: Path, start: Callable[[Path], Server]) -> None:
    server = start(tmp_path)
    key = server.key
    with client_of(server, key) as client:
        assert client.post("/v1/collections", json={"name": "c"}).status_code == 201
    acknowledged: dict[str, str] = {}
    for round_ in range(3):
        killing = threading.Timer(0.7, server.process.kill)
        with client_of(server, key) as client:
            client.put("/v1/collections/c/documents/warm", json={"text": "a first text, which loads what writes need"})
            for number in range(10_000):
                name, text = f"k{number % 40}", f"round{round_}x{number} about valves"
                try:
                    answer = client.put(f"/v1/collections/c/documents/{name}", json={"text": text})
                except httpx.TransportError:
                    acknowledged.pop(name, None)  # it may or may not have been committed
                    break
                assert answer.status_code in (200, 201), answer.text
                acknowledged[name] = text
                if number == 0:
                    killing.start()
        server.kill()
        server = start(tmp_path)
        with client_of(server, key) as client:
            for name, text in acknowledged.items():
                assert client.get(f"/v1/collections/c/documents/{name}").json()["text"] == text
                query = {"collection": "c", "query": text.split()[0], "top_k": 1}
                assert client.post("/v1/search", json=query).json()["hits"][0]["key"] == name
