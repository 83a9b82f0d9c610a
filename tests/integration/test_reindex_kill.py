"""Reindexing in a process of its own: killed at any moment it goes on from there, and a running server follows it."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from changing_world import text_of
from kb_processes import Server, printed_by

from api.knowledge_base import KnowledgeBase
from api.upkeep.maintenance import verify_collection
from infra.settings import Settings
from retrieval.catalog.generations import GenerationState
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Document

DOCUMENTS = 1_500
KILLS = 3
PATIENCE_SECONDS = 120
EXCHANGE_SECONDS = 3.0  # half a second and what opening takes


def start(data: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"KB_DATA_DIR": str(data), "KB_ENCODER": "hash", "KB_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "api.cli", "reindex", "-c", "c", "--chunk-tokens", "160", "--json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)


def recut(data: Path) -> int:
    """Chunks of the new chunking, seen from outside."""
    with sqlite3.connect(f"file:{data / 'catalog.db'}?mode=ro", uri=True, timeout=30) as connection:
        row = connection.execute("SELECT COUNT(*) FROM chunks WHERE chunking = 2").fetchone()
    return int(row[0])


@pytest.mark.slow
def test_a_killed_reindex_goes_on_where_it_was(tmp_path: Path) -> None:
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as kb:
        kb.create_collection("c")
        kb.write("c", [Document(f"d{n}", text_of(n, 1), f"station {n}") for n in range(DOCUMENTS)], wait=True)
        first = kb.catalog.collections.get("c")
        expected = kb.catalog.documents.counts(first)[1]
    dice, done = random.Random(3), [0]
    while len(done) <= KILLS:
        process = start(tmp_path)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and recut(tmp_path) <= done[-1] and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(dice.random() * 0.2)  # in the midst of a cut, a commit or an embedding
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        done.append(recut(tmp_path))
        with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as kb:  # what serves is untouched
            assert kb.catalog.collections.get("c").generation == first.generation
            found = kb.search("c", SearchRequest(f"subject{len(done)}word", 3), OPERATOR).hits
            assert found[0].chunk.key == f"d{len(done)}"
            kb.write("c", [Document(f"new{len(done)}", text_of(2_000 + len(done), 1))], wait=True)
    assert len(done) > 1, "no kill hit a running reindex: the test proves nothing"
    assert json.loads(printed_by(start(tmp_path)))["state"] == "serving"
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as kb:
        record = kb.catalog.collections.get("c")
        states = [one.state for one in kb.catalog.generations.all(record)]
        assert states == [GenerationState.STANDBY, GenerationState.SERVING]
        verdict = verify_collection(kb, "c")
        assert verdict.in_step, verdict.sentence()
        assert verdict.documents == DOCUMENTS + len(done) - 1
        assert kb.catalog.recutting.count_lost(first, record) == 0
        assert verdict.chunks > expected


@pytest.mark.slow
def test_a_running_server_follows_a_reindex_from_the_command_line(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        with server.client(server.key) as client:
            client.post("/v1/collections", json={"name": "c"}).raise_for_status()
            for number in range(20):
                body = {"title": f"station {number}", "text": text_of(number, 1)}
                client.put(f"/v1/collections/c/documents/d{number}?wait_for=searchable", json=body).raise_for_status()
            process, failures = start(tmp_path / "kb"), []
            while process.poll() is None:
                failures += searched(client)
                time.sleep(0.02)
            assert json.loads(printed_by(process))["state"] == "serving"
            exchanged = time.monotonic() + EXCHANGE_SECONDS
            while time.monotonic() < exchanged:
                failures += searched(client)
                time.sleep(0.02)
            answer = client.put("/v1/collections/c/documents/d3?wait_for=searchable", json={"text": text_of(3, 2)})
            answer.raise_for_status()
            hits = client.post("/v1/search", json={"collection": "c", "query": "release3x2", "top_k": 3}).json()["hits"]
            assert hits[0]["key"] == "d3"
            assert failures == []
    finally:
        server.kill()


def searched(client: httpx.Client) -> list[str]:
    """What is wrong with the answer to a search that must find a document."""
    answer = client.post("/v1/search", json={"collection": "c", "query": "subject7word", "top_k": 3})
    if answer.status_code != 200:
        return [answer.text]
    found = [hit["key"] for hit in answer.json()["hits"]]
    return [] if found[:1] == ["d7"] else [f"found {found}"]
