"""Requests that wait for views which stand still keep nobody else waiting, and have bounds of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import check_native_error, world
from served import Served, fill, in_process, on_port
from waiting import PATIENCE_SECONDS, eventually

from api.access.limits import MAX_IN_FLIGHT
from api.http.workers import SEARCH_THREADS
from retrieval.catalog.keys import Scope

GIVES_UP_SECONDS = 20.0  # who waits in vain; in time for the test to end
SEARCH_LEFT = re.compile(r'^kb_requests_total\{.*/v1/search".*status="499"')
WRITES = "/v1/collections/held/documents"

Client = httpx.Client


@contextmanager
def serving(folder: Path, seconds: float = GIVES_UP_SECONDS) -> Iterator[tuple[Served, Client]]:
    """A server with the collections `docs` and `held`, and a client of it that may do everything."""
    with in_process(folder, request_timeout_seconds=seconds) as served:
        fill(served)
        fill(served, "held")
        limits = httpx.Limits(max_connections=None)
        with (
            on_port(served) as url,
            Client(
                base_url=url, headers=served.headers(Scope.ADMIN), timeout=PATIENCE_SECONDS, limits=limits
            ) as client,
        ):
            yield served, client


@pytest.fixture(scope="module")
def waited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Client]]:
    with serving(tmp_path_factory.mktemp("kb")) as opened:
        yield opened


def last_seq(served: Served) -> int:
    return served.kb.catalog.collections.get("held").last_seq


def search(client: Client, seq: int, query: str = "zebras", **more: Any) -> httpx.Response:
    return client.post("/v1/search", json={"query": query, "collection": "held", "min_seq": seq}, **more)


def write(client: Client, key: str) -> httpx.Response:
    return client.put(f"{WRITES}/{key}", params={"wait_for": "searchable"}, json={"text": f"warranty of {key}"})


def answers(waiting: list[Future[httpx.Response]]) -> list[tuple[int, dict[str, Any]]]:
    found = [one.result(PATIENCE_SECONDS) for one in waiting]
    return [(one.status_code, one.json()) for one in found]


@contextmanager
def unfollowed(served: Served, client: Client) -> Iterator[int]:
    """Inside the `with`, the views of `held` stand still before the write of that `seq`."""
    with served.kb.runtime("held").follower.paused():
        body = {"text": f"the warranty of zebras, {last_seq(served)}"}
        yield client.put(f"{WRITES}/first", json=body).raise_for_status().json()["seq"]


def test_others_are_answered_while_many_wait(waited: tuple[Served, Client]) -> None:
    """More than all search threads, all shared threads and all places for requests."""
    served, client = waited
    searches = 3 * SEARCH_THREADS
    writes = MAX_IN_FLIGHT - searches
    with ThreadPoolExecutor(MAX_IN_FLIGHT) as threads:
        with unfollowed(served, client) as seq:
            waiting = [threads.submit(search, client, seq) for _ in range(searches)]
            waiting += [threads.submit(write, client, f"k{number}") for number in range(writes)]
            eventually(lambda: last_seq(served) - seq == writes, what="the writes' commits", seconds=GIVES_UP_SECONDS)
            assert client.get("/readyz").status_code == 200
            newcomer = served.headers()  # a key that nobody has looked up so far
            asked = {"query": "warranty", "collection": "docs"}
            found = eventually(  # between its commit and its wait a write is at work
                lambda: client.post("/v1/search", json=asked, headers=newcomer), lambda found: found.status_code != 503
            )
            assert found.status_code == 200 and found.json()["hits"]
            assert client.get("/v1/collections/docs/documents").status_code == 200
            assert not any(one.done() for one in waiting), "they were answered only after somebody gave up"
        for status, body in answers(waiting[:searches]):
            assert status == 200 and body["seq"] >= seq
            assert body["hits"][0]["document_id"] == "held/first"
        for status, body in answers(waiting[searches:]):
            assert (status, body["searchable"]) == (200, True)


@pytest.mark.parametrize("bound", ["MAX_WAITING", "MAX_WAITING_FOR_ONE"])
def test_who_would_be_one_too_many_to_wait_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """503 for a search; 202 for a write, which is safe."""
    monkeypatch.setattr(f"api.http.waits.{bound}", 1)
    with world(tmp_path) as served, ThreadPoolExecutor(1) as threads:
        with served.kb.runtime("docs").follower.paused():
            late = {"params": {"wait_for": "searchable"}, "json": {"text": "late"}}
            first = threads.submit(served.call, "PUT", "/v1/collections/docs/documents/first", **late)
            eventually(lambda: served.app.state.services.waits.count == 1)
            written = served.call("PUT", "/v1/collections/docs/documents/late", **late)
            assert (written.status_code, written.json()["searchable"]) == (202, False)
            refused = served.search("late", min_seq=written.json()["seq"])
            check_native_error(refused, 503, "busy")
            assert refused.headers["retry-after"] == "1"
            assert not first.done() and served.app.state.services.waits.count == 1
        assert first.result(PATIENCE_SECONDS).status_code == 200
        assert served.search("late", min_seq=written.json()["seq"]).status_code == 200
        assert served.app.state.services.waits.count == 0


def test_a_wait_ends_with_its_client(waited: tuple[Served, Client]) -> None:
    """And a write is in the audit log all the same."""
    served, client = waited
    path = f"{WRITES}/left"
    with unfollowed(served, client) as seq:
        with pytest.raises(httpx.ReadTimeout):
            search(client, seq, timeout=0.5)
        eventually(lambda: [one for one in client.get("/metrics").text.splitlines() if SEARCH_LEFT.search(one)])
        with pytest.raises(httpx.ReadTimeout):
            client.put(path, params={"wait_for": "searchable"}, json={"text": "text"}, timeout=0.5)
        (act,) = eventually(lambda: served.kb.catalog.audit.page(target=path))
        assert act.detail["status"] == 202


def test_a_wait_ends_with_its_collection(tmp_path: Path) -> None:
    with serving(tmp_path, 2 * PATIENCE_SECONDS) as (served, client), ThreadPoolExecutor(3) as threads:
        with unfollowed(served, client) as seq:
            waiting = [threads.submit(search, client, seq), threads.submit(write, client, "late")]
            eventually(lambda: last_seq(served) > seq)
            deleted = threads.submit(client.delete, "/v1/collections/held")
            assert [status for status, _ in answers(waiting)] == [404, 404]
            assert not deleted.done(), "it waits for the views"
        assert deleted.result(PATIENCE_SECONDS).status_code == 204
