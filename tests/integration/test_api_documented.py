"""docs/api.md names every route there is, and none that is not."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
import served

ROUTE = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`]*)`")


def test_the_page_and_the_routes_agree(tmp_path: Path, repository: Path) -> None:
    with served.in_process(tmp_path) as opened:
        described = opened.client.get("/openapi.json").json()["paths"]
    routes = {(method.upper(), path) for path, operations in described.items() for method in operations}
    assert set(ROUTE.findall((repository / "docs" / "api.md").read_text(encoding="utf-8"))) == routes


def test_the_description_is_built_beside_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    monkeypatch.setattr("api.http.openapi._document", lambda _: threads.append(threading.current_thread().name) or {})
    with served.in_process(tmp_path) as opened:
        opened.client.get("/openapi.json").raise_for_status()
    assert threads == [name for name in threads if "worker" in name.lower()] and threads
