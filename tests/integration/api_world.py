"""A served knowledge base for API tests: real catalog, views and layers; only the network is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import event

from api.app import create_app
from api.knowledge_base import KnowledgeBase
from infra.settings import Settings, load_settings
from retrieval.catalog.keys import Scope
from retrieval.types import Document

SECRET_WORD = "xylophonist"  # stands in one document only, which the group "staff" may read


@dataclass(frozen=True)
class World:
    """Collections `docs` and `other`; `docs` holds `public` (everyone) and `secret` (group staff)."""

    kb: KnowledgeBase
    app: FastAPI
    client: TestClient
    keys: dict[str, str]

    def call(self, method: str, path: str, key: str | None = "admin", **more: Any) -> Response:
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {self.keys.get(key, key)}"
        return self.client.request(method, path, headers=headers, **more)

    def search(self, query: str, key: str = "admin", **more: Any) -> Response:
        return self.call("POST", "/v1/search", key, json={"query": query, "collection": "docs", **more})


def hash_settings(folder: Path, **more: Any) -> Settings:
    return load_settings(data_dir=folder, encoder="hash", **more)


@contextmanager
def world(folder: Path, *, in_flight: int | None = None, **more: Any) -> Iterator[World]:
    settings = hash_settings(folder, **more)
    with KnowledgeBase.open(settings) as kb:
        _fill(kb)
        app = create_app(kb, settings) if in_flight is None else create_app(kb, settings, in_flight=in_flight)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield World(kb, app, client, _keys(kb))


def _fill(kb: KnowledgeBase) -> None:
    for name in ("docs", "other"):
        kb.create_collection(name)
    secret = Document("secret", f"The {SECRET_WORD} earns 4711 a month.", "Salaries", acl=("staff",))
    kb.write("docs", [Document("public", "The warranty of all drives is 24 months.", "Warranty"), secret], wait=True)


def _keys(kb: KnowledgeBase) -> dict[str, str]:
    keys = kb.catalog.keys
    past = datetime.now(UTC) - timedelta(seconds=1)
    revoked, revoked_text = keys.create("revoked", Scope.ADMIN)
    keys.revoke(revoked.id)
    return {
        "admin": keys.create("admin", Scope.ADMIN)[1],
        "writer": keys.create("writer", Scope.WRITE)[1],
        "reader": keys.create("reader", Scope.READ)[1],
        "staff": keys.create("staff", Scope.READ, groups=["staff"])[1],
        "elsewhere": keys.create("elsewhere", Scope.ADMIN, collections=["other"])[1],
        "expired": keys.create("expired", Scope.ADMIN, expires_at=past)[1],
        "revoked": revoked_text,
        "wrong": keys.create("wrong", Scope.ADMIN)[1][:-1] + "#",
    }


@contextmanager
def replaced_while_read(kb: KnowledgeBase, key: str) -> Iterator[None]:
    """Right after the next statement that reads the text of that document of `docs`, its text is the secret one."""
    replaced = False

    def replace(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        nonlocal replaced
        if not replaced and "document_texts" in statement and key in str(parameters):
            replaced = True
            kb.write("docs", [Document(key, f"The {SECRET_WORD} earns 4711 a month.", acl=("staff",))])

    engine = kb.catalog._engine
    event.listen(engine, "after_cursor_execute", replace)
    try:
        yield
    finally:
        event.remove(engine, "after_cursor_execute", replace)
    assert replaced


def check_native_error(response: Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The one shape of failures; what is in it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}, body
    error: dict[str, Any] = body["error"]
    assert {"code", "message", "request_id"} <= set(error) <= {"code", "message", "request_id", "detail"}, error
    assert all(isinstance(error[name], str) and error[name] for name in ("code", "message", "request_id")), error
    assert error["request_id"] == response.headers["x-request-id"]
    assert code is None or error["code"] == code, error
    return error
