"""A real knowledge base in a folder of its own, its REST API in process or on a free loopback port."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi.testclient import TestClient
from waiting import PATIENCE_SECONDS, eventually, job_ended

from api.app import create_app
from api.http.connections import Connection
from api.knowledge_base import KnowledgeBase
from infra.settings import Settings, load_settings
from retrieval.catalog.keys import Scope


@dataclass(frozen=True)
class Served:
    """An open knowledge base with its application."""

    kb: KnowledgeBase
    settings: Settings
    client: TestClient

    def key(
        self, scope: Scope = Scope.READ, *, groups: Sequence[str] = (), collections: Sequence[str] | None = None
    ) -> str:
        """The text of a new key."""
        return self.kb.catalog.keys.create("test", scope, groups=groups, collections=collections)[1]

    def headers(self, scope: Scope = Scope.READ, **rights: Any) -> dict[str, str]:
        """What a request with a new key carries."""
        return {"Authorization": f"Bearer {self.key(scope, **rights)}"}

    def ended(self, path: str, headers: dict[str, str], seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The job at that path once it has ended; in which state is the caller's to look at."""
        return job_ended(lambda: self.client.get(path, headers=headers).json(), seconds=seconds)


@contextlib.contextmanager
def in_process(folder: Path, **settings: Any) -> Iterator[Served]:
    """The API without a socket, with the hash encoder."""
    chosen = load_settings(data_dir=folder, encoder="hash", **settings)
    with KnowledgeBase.open(chosen) as kb, TestClient(create_app(kb, chosen)) as client:
        yield Served(kb, chosen, client)


@contextlib.contextmanager
def on_port(served: Served, **limits: Any) -> Iterator[str]:
    """The base URL of a real server over the same knowledge base; `limits` are those of `create_app`."""
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(served.kb, served.settings, **limits)
    config = uvicorn.Config(app, http=Connection, log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started, what="the server's start")
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listening.close()


WARRANTY = "The warranty of all drives is 24 months from delivery."
SALARY = "The salary of the chief drive engineer is 100 gold coins."


def fill(served: Served, collection: str = "docs") -> None:
    """A collection with a document for everyone, one for the group hr, and one in Chinese."""
    admin = served.headers(Scope.ADMIN)
    served.client.post("/v1/collections", json={"name": collection}, headers=admin).raise_for_status()
    documents: dict[str, dict[str, Any]] = {
        "faq/warranty": {"title": "Warranty of drives", "text": WARRANTY, "metadata": {"year": 2024}},
        "hr/salary": {"title": "Salary of the chief drive engineer", "text": SALARY, "acl": ["hr"]},
        "faq/zh": {
            "title": "驱动器的保修期",
            "text": "所有驱动器的保修期为交货后二十四个月。",
            "metadata": {"year": 2020},
        },
    }
    for key, body in documents.items():
        path = f"/v1/collections/{collection}/documents/{key}?wait_for=searchable"
        served.client.put(path, json=body, headers=admin).raise_for_status()
