"""Two API servers and two workers, each a process of its own, on one catalog and one words index: one answer."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from change_events import WORDS
from stack import StackOf
from waiting import eventually
from worker_world import World, cluster

from retrieval.catalog.keys import Scope

pytestmark = [pytest.mark.server, pytest.mark.slow]

START_SECONDS = 90.0


class ApiServer:
    """`kb serve` with a data folder of its own."""

    def __init__(self, environment: dict[str, str], folder: Path, key: str) -> None:
        self.folder = folder
        self._environment = environment | {"KB_DATA_DIR": str(folder), "KB_PORT": "0"}
        self._headers = {"Authorization": f"Bearer {key}"}
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "api.cli", "serve", "--json"]
        self.process = subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.client = httpx.Client(
            base_url=json.loads(self.process.stdout.readline())["url"], headers=self._headers, timeout=60
        )
        eventually(self._is_ready, what="readyz", seconds=START_SECONDS)

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.client.get("/readyz").status_code == 200
        return False

    def search(self, query: str, **more: Any) -> dict[str, Any]:
        answer = self.client.post("/v1/search", json={"query": query, "collection": "shop", "top_k": 50, **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(30)
        self.client.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


def ranking(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """What was found; where scores are equal, their order is nobody's promise."""
    return sorted((hit["key"], hit["text"]) for hit in answer["hits"])


@pytest.fixture
def shop(stack_of: StackOf, tmp_path: Path) -> Iterator[tuple[World, dict[str, str]]]:
    with cluster(stack_of("postgres", "kafka", "elasticsearch"), tmp_path / "lead") as made:
        yield made


def test_any_server_answers_alike_and_a_dead_one_catches_up(shop: tuple[World, dict[str, str]], tmp_path: Path) -> None:
    made, environment = shop
    _, key = made.kb.catalog.keys.create("test", Scope.ADMIN)
    workers = [
        subprocess.Popen([sys.executable, "-m", "api.cli", "worker"], env=environment, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    servers = [ApiServer(environment, tmp_path / name, key) for name in ("one", "two")]
    try:
        made.send(made.history.changes(400))
        _caught_up(made)
        _agree(made, servers)

        written = (
            servers[0]
            .client.put("/v1/collections/shop/documents/note", json={"text": "A note about zebras."})
            .raise_for_status()
        )
        found = servers[1].search("zebras", min_seq=written.json()["seq"])
        assert found["hits"][0]["key"] == "note", "the other server waits for the write"

        servers[1].stop(signal.SIGKILL)
        workers[1].send_signal(signal.SIGKILL)
        made.send(made.history.changes(400))
        _caught_up(made)
        gone = servers[0].client.delete("/v1/collections/shop/documents/note").raise_for_status().json()["seq"]
        servers[1].start()
        left = [hit["key"] for hit in servers[1].search("zebras", min_seq=gone)["hits"]]
        assert "note" not in left, "deleted while it was down"
        _agree(made, servers)
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait(30)
        for server in servers:
            if server.process.poll() is None:
                server.stop()


def _caught_up(made: World) -> None:
    """The workers have applied what was sent."""
    eventually(lambda: made.documents == made.history.documents, what="the workers catch up")


def _agree(made: World, servers: list[ApiServer]) -> None:
    seq = made.kb.catalog.collections.last_seq(made.collection.id)
    for word in WORDS:
        answers = [server.search(word, min_seq=seq) for server in servers]
        assert ranking(answers[0]) == ranking(answers[1]), word
        for hit in answers[0]["hits"]:
            if hit["key"] != "note":
                assert made.history.rows[int(hit["key"].rpartition("/")[2])]["body"] in hit["text"]
