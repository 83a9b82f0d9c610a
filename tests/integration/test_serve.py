"""`kb serve` as a process: what it prints, whom it serves, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from waiting import PATIENCE_SECONDS, eventually

from api.knowledge_base import KnowledgeBase
from infra.settings import load_settings


def command(folder: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "KB_DATA_DIR": str(folder), "KB_ENCODER": "hash", "NO_PROXY": "127.0.0.1"}
    return [sys.executable, "-m", "api.cli", "serve", "--port", "0", *arguments], environment


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    line, environment = command(folder, "--json")
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def wait_ready(client: httpx.Client) -> None:
    eventually(lambda: client.get("/readyz").status_code == 200, what="readyz")


def refused(folder: Path, *arguments: str) -> str:
    line, environment = command(folder, *arguments)
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == 1 and ended.stdout == "", ended
    return ended.stderr


def test_the_first_key_is_shown_once_and_works_until_the_end(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, printed):
        headers = {"Authorization": f"Bearer {printed['first_key']}"}
        with httpx.Client(base_url=printed["url"], headers=headers, timeout=PATIENCE_SECONDS) as client:
            wait_ready(client)
            assert client.post("/v1/collections", json={"name": "docs"}).status_code == 201
            url = "/v1/collections/docs/documents/a?wait_for=searchable"
            assert client.put(url, json={"text": "kept through the restart"}).json()["searchable"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    with serving(tmp_path) as (process, again):
        assert again["first_key"] is None
        with httpx.Client(base_url=again["url"], headers=headers, timeout=PATIENCE_SECONDS) as client:
            wait_ready(client)
            found = client.post("/v1/search", json={"query": "restart", "collection": "docs"}).json()["hits"]
            assert [hit["key"] for hit in found] == ["a"]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0


def test_beyond_loopback_a_key_comes_first(tmp_path: Path) -> None:
    message = refused(tmp_path, "--host", "0.0.0.0")
    assert "KB_HOST" in message and "kb keys create" in message
    with KnowledgeBase.open(load_settings(data_dir=tmp_path, encoder="hash")) as kb:
        assert kb.catalog.keys.all() == []  # nobody was let in on the way


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused(tmp_path, "--port", str(port))
    assert str(port) in message and "KB_PORT" in message
    with serving(tmp_path) as (_, printed):
        assert printed["first_key"], "the start that failed has used it up"


def test_requests_under_way_are_finished(tmp_path: Path) -> None:
    """A search that waits for a write still gets its answer after SIGTERM."""
    with serving(tmp_path) as (process, printed):
        headers = {"Authorization": f"Bearer {printed['first_key']}"}
        with httpx.Client(base_url=printed["url"], headers=headers, timeout=PATIENCE_SECONDS) as client:
            wait_ready(client)
            client.post("/v1/collections", json={"name": "docs"})
            lines = "\n".join(json.dumps({"id": str(n), "text": f"number {n}"}) for n in range(500))

            def content() -> Iterator[bytes]:
                yield lines[:100].encode()
                process.send_signal(signal.SIGTERM)
                time.sleep(0.2)
                yield lines[100:].encode()

            answer = client.post("/v1/collections/docs/documents:bulk", content=content())
        assert answer.status_code == 200 and answer.json()["counts"] == {"created": 500}
        assert process.wait(PATIENCE_SECONDS) == 0


def test_settings_that_do_not_fit_stop_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_OIDC_ISSUER", "https://id.example")
    assert "KB_OIDC_AUDIENCE" in refused(tmp_path)
    monkeypatch.delenv("KB_OIDC_ISSUER")
    with serving(tmp_path) as (_, printed):
        assert printed["first_key"], "the start that failed has used it up"


@pytest.mark.parametrize(("trusted", "address"), [("", "127.0.0.1"), ("10.0.0.0/8, 127.0.0.1", "192.0.2.7")])
def test_only_named_proxies_say_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: str, address: str
) -> None:
    monkeypatch.setenv("KB_TRUSTED_PROXIES", trusted)
    with serving(tmp_path) as (_, printed), httpx.Client(base_url=printed["url"], timeout=PATIENCE_SECONDS) as client:
        assert client.get("/v1/keys", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 401
        headers = {"Authorization": f"Bearer {printed['first_key']}"}
        records = client.get("/v1/audit", headers=headers).json()["audit"]
    assert [one["detail"]["address"] for one in records if one["detail"].get("denied")] == [address]


def test_a_proxy_that_is_no_address_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_TRUSTED_PROXIES", "proxy")
    assert "KB_TRUSTED_PROXIES" in refused(tmp_path)


LIGHT = """
import sys
from pathlib import Path
from served import fill, in_process
from retrieval.catalog.keys import Scope

with in_process(Path(sys.argv[1])) as served:
    fill(served)
    headers = served.headers(Scope.ADMIN)
    for path, name in (("search", "query"), ("answers", "question")):
        body = {name: "How long is the warranty?", "collection": "docs"}
        served.client.post(f"/v1/{path}", json=body, headers=headers).raise_for_status()
    served.client.get("/v1/jobs", headers=headers).raise_for_status()
heavy = ("torch", "transformers", "sentence_transformers", "torch_geometric", "optuna", "onnx", "peft", "docx", "pptx")
print([name for name in heavy if name in sys.modules])
"""


def test_a_server_that_writes_searches_and_answers_loads_nothing_that_only_training_or_reading_files_needs(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", LIGHT, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[]"
