"""A live source `shop` of a PostgreSQL database of its own, created and followed by a worker, for one test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from live_world import LiveWorld, live_world, postgres_database
from worker_world import running

from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker
from infra.stack.stack import Stack


@contextmanager
def postgres_shop(stack: Stack, folder: Path, script: str, tables: Any) -> Iterator[tuple[LiveWorld, str]]:
    """The world and the database's URL; its first snapshot may still be under way. Nothing may be left behind it."""
    path = folder / "shop.sql"
    path.write_text(script, encoding="utf-8")
    with live_world(stack, folder / "kb") as served, postgres_database(stack, path) as url:
        with running(open_worker(served.api.kb, WorkerMetrics())):
            created = served.create("shop", url, tables, collection="shop")
            assert created.status_code == 201, created.text
            yield served, url
            assert served.call("DELETE", "/shop?collection=shop").json()["leftovers"] == []
