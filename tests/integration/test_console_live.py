"""The overview and its events: what they say is what the catalog says, under the caller's rights, and soon."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from served import Served, fill, in_process, on_port
from waiting import PATIENCE_SECONDS, eventually

from api.access.sessions import COOKIE
from api.http.listeners import MAX_LISTENERS
from api.telemetry.alerts import MUCH_LAG, of_collection, of_process, of_source
from api.telemetry.history import History, quantile
from ingest.pipeline import Pipeline
from retrieval.catalog.keys import Scope


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with in_process(tmp_path) as opened:
        fill(opened)
        yield opened


def overview(served: Served, **rights: Any) -> dict[str, Any]:
    response = served.client.get("/v1/overview", headers=served.headers(**rights))
    assert response.status_code == 200, response.text
    return dict(response.json())


class Listener:
    """Reads events until it has seen what it waits for."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def until(self, name: str, wanted: Any) -> dict[str, Any]:
        """The first event of that name that `wanted` accepts."""
        deadline, event = time.monotonic() + PATIENCE_SECONDS, ""
        for line in self._lines:
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = json.loads(line.removeprefix("data: "))
                self.seen.append((event, data))
                if event == name and wanted(data):
                    return dict(data)
            assert time.monotonic() < deadline, f"no such event {name}; saw {[event for event, _ in self.seen]}"
        raise AssertionError(f"the stream ended without {name}; saw {self.seen}")


@contextmanager
def listening(base: str, headers: dict[str, str]) -> Iterator[Listener]:
    """For longer than anybody waits here: a stream that ends was ended."""
    with (
        httpx.Client(base_url=base, timeout=PATIENCE_SECONDS, trust_env=False) as client,
        client.stream("GET", f"/v1/events?seconds={10 * PATIENCE_SECONDS:g}", headers=headers) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Listener(response.iter_lines())


def test_the_overview_counts_what_there_is(served: Served) -> None:
    shown = overview(served)
    (docs,) = shown["collections"]
    assert (docs["name"], docs["documents"], docs["lag"]) == ("docs", 3, 0)
    assert docs["last_seq"] == docs["searchable_seq"] == served.kb.freshness("docs")["last_seq"]
    assert shown["alerts"] == []


def test_it_shows_no_more_than_the_rights(served: Served) -> None:
    served.kb.create_collection("other")
    limited = overview(served, collections=["other"])
    assert [one["name"] for one in limited["collections"]] == ["other"]
    assert limited["history"] == [] and limited["jobs"] == {} and limited["freshness"] == []
    assert "docs" not in json.dumps(limited)


def test_freshness_counts_every_change_once(served: Served) -> None:
    (one,) = eventually(
        lambda: overview(served)["freshness"], lambda found: bool(found) and found[0]["count"] >= 3, what="all of them"
    )
    assert (one["collection"], one["since"], one["count"]) == ("docs", "catalog", 3)
    assert sum(bucket["count"] for bucket in one["buckets"]) == 3 and one["mean_seconds"] > 0


def test_a_change_is_told_without_asking(served: Served) -> None:
    admin = served.headers(Scope.ADMIN)
    with on_port(served) as base, listening(base, admin) as listener:
        first = listener.until("freshness", lambda said: True)
        assert first["freshness"][0]["documents"] == 3
        path = "/v1/collections/docs/documents/new?wait_for=searchable"
        seq = served.client.put(path, json={"text": "A new one."}, headers=admin).json()["seq"]
        later = listener.until("freshness", lambda said: (said["freshness"][0]["searchable_seq"] or 0) >= seq)
        assert later["freshness"][0]["lag"] == 0


def test_a_server_that_stands_says_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an event: a browser shows comments to no page."""
    monkeypatch.setattr("api.routes.console_live.HEARTBEAT_SECONDS", 0.1)
    with on_port(served) as base, listening(base, served.headers()) as listener:
        assert listener.until("heartbeat", lambda said: True) == {}


def test_a_job_is_told_when_it_moves(served: Served) -> None:
    admin = served.headers(Scope.ADMIN)
    with on_port(served) as base, listening(base, admin) as listener:
        listener.until("jobs", lambda said: True)
        body = {"kind": "verify", "collection": "docs"}
        job = served.client.post("/v1/jobs", json=body, headers=admin).json()["id"]
        done = listener.until("jobs", lambda said: any(one["state"] == "succeeded" for one in said["jobs"]))
        assert [one["id"] for one in done["jobs"]] == [job]


def test_listeners_hear_of_their_collections_only(served: Served) -> None:
    served.kb.create_collection("other")
    with on_port(served) as base, listening(base, served.headers(collections=["other"])) as listener:
        listener.until("alerts", lambda said: True)
        for name in ("docs", "other"):
            path = f"/v1/collections/{name}/documents/new?wait_for=searchable"
            served.client.put(path, json={"text": "x"}, headers=served.headers(Scope.ADMIN)).raise_for_status()
        listener.until("freshness", lambda said: any(one["documents"] == 1 for one in said["freshness"]))
    assert "docs" not in json.dumps(listener.seen)


def test_a_revoked_key_hears_no_more(served: Served) -> None:
    record, key = served.kb.catalog.keys.create("short", Scope.READ)
    with on_port(served) as base, listening(base, {"Authorization": f"Bearer {key}"}) as listener:
        listener.until("freshness", lambda said: True)
        served.kb.catalog.keys.revoke(record.id)
        with pytest.raises(AssertionError, match="the stream ended"):
            listener.until("never", lambda said: True)


def test_a_browser_listens_by_its_cookie(served: Served) -> None:
    login = served.client.post("/console/session", json={"key": served.key()})
    headers = {"Cookie": f"{COOKIE}={login.cookies[COOKIE]}"}
    with on_port(served) as base, listening(base, headers) as listener:
        assert listener.until("freshness", lambda said: True)["freshness"][0]["name"] == "docs"


def test_many_listeners_are_refused_and_block_nobody(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.listeners.MAX_LISTENERS", 1)
    reader = served.headers()
    with on_port(served) as base, listening(base, reader) as listener:
        listener.until("freshness", lambda said: True)
        assert httpx.get(f"{base}/v1/events", headers=reader, trust_env=False).status_code == 503
        assert httpx.get(f"{base}/v1/collections", headers=reader, trust_env=False).status_code == 200
    assert MAX_LISTENERS > 1


def test_unreadable_inputs_raise_an_alert(served: Served, tmp_path: Path) -> None:
    from api.sources.opening import open_source

    broken = tmp_path / "in"
    broken.mkdir()
    (broken / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    opened = open_source(served.kb, "docs", str(broken), "folder")
    pipeline: Pipeline = served.kb.runtime("docs").pipeline
    pipeline.run(opened.source)
    (alert,) = eventually(lambda: overview(served)["alerts"], what="an alert")
    assert (alert["code"], alert["source"], alert["params"]) == ("dead_letters", "folder", {"count": 1})
    assert overview(served)["sources"][0]["dead_letters"] == 1


def test_alerts_say_what_is_wrong_and_no_more() -> None:
    assert [*of_collection("docs", MUCH_LAG, {}, "")] == [] == [*of_source("docs", "shop", 1.0, 0, ())]
    found = [*of_collection("docs", MUCH_LAG + 1, {"dense": "no answer"}, "another encoder")]
    assert [one.code for one in found] == ["unusable", "leg_degraded", "view_lag"]
    assert [one.code for one in of_source("docs", "shop", 61.0, 2, ("down",))] == [
        "source_problem",
        "source_lag",
        "dead_letters",
    ]
    assert [one.code for one in of_process([], 101)] == ["queue"]


def test_the_history_counts_requests_from_many_threads() -> None:
    history = History()

    def ask() -> None:
        for number in range(500):
            history.request("/v1/search", 200 if number % 100 else 500, 0.001 * (number % 10))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history.close_step(7, 1, 2)
    (step,) = history.steps
    assert (step.requests, step.errors, step.searches, step.operations) == (2000, 20, 1980, 7)
    assert step.p50_ms == pytest.approx(5.0) and step.p95_ms == pytest.approx(9.0)


@pytest.mark.parametrize("count", [1, 2, 3, 19, 20, 21, 100])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_quantiles_are_those_of_the_definition(count: int, share: float) -> None:
    values = [float(number) for number in range(count)]
    found = quantile(values, share)
    assert found is not None
    assert sum(value <= found for value in values) >= share * count
    assert sum(value < found for value in values) < share * count
    assert quantile([], share) is None


@pytest.mark.parametrize("path", ["/v1/events", "job"])
def test_a_burst_of_listeners_stays_below_the_bound(served: Served, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """All of them have been let in before the first one is sent anything."""
    monkeypatch.setattr("api.http.listeners.MAX_LISTENERS", 2)
    if path == "job":
        path = f"/v1/jobs/{served.kb.catalog.jobs.create('verify', 'docs', {}).id}/events"
    headers = [(b"authorization", served.headers()["Authorization"].encode())]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode()}
    scope |= {
        "query_string": b"seconds=1",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "http_version": "1.1",
        "scheme": "http",
    }
    statuses: list[int] = []

    async def burst() -> None:
        all_answered = anyio.Event()

        async def receive() -> dict[str, Any]:
            await anyio.sleep_forever()
            return {}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                if len(statuses) == 5:
                    all_answered.set()
                await all_answered.wait()

        async def ask() -> None:
            await served.client.app(dict(scope), receive, send)

        async with anyio.create_task_group() as clients:
            for _ in range(5):
                clients.start_soon(ask)

    portal = served.client.portal
    assert portal is not None
    portal.call(burst)
    assert sorted(statuses) == [200, 200, 503, 503, 503]
    statuses.clear()
    portal.call(burst)
    assert sorted(statuses) == [200, 200, 503, 503, 503], "those of before have left"


def test_the_sizes_of_deleted_collections_are_forgotten(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.overview_thread.LOOK_SECONDS", 0.0)
    thread = served.client.app.state.services.overview  # type: ignore[attr-defined]  # a Starlette, typed as any ASGI app
    kept = {served.kb.catalog.collections.get("docs").id}
    for name in ("a", "b"):
        served.kb.create_collection(name)
    assert {one.name for one in thread.current().collections} == {"docs", "a", "b"} and len(thread._counts) == 3
    for name in ("a", "b"):
        served.kb.drop_collection(name)
    assert [one.name for one in thread.current().collections] == ["docs"] and thread._counts.keys() == kept
