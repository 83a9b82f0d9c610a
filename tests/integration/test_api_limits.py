"""Bounds: bodies, requests per key, requests at once; and what every response carries."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import World, check_native_error, world
from served import Served, fill, in_process, on_port

from api.access.limits import MAX_BUCKETS, TokenBuckets
from api.envelope import SAFE_HEADERS
from api.http.bodies import Patience
from retrieval.catalog.keys import Scope

MAX_BYTES = 2048
WAIT_SECONDS = 60.0  # for what comes at once, unless the machine is very busy
JSON = {"Content-Type": "application/json"}
BULK = "/v1/collections/docs/documents:bulk"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("kb"), max_body_bytes=MAX_BYTES) as opened:
        yield opened


def line(size: int) -> bytes:
    start, end = b'{"id": "sized", "text": "', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


def in_parts(content: bytes) -> Iterator[bytes]:
    """Sent without a length, in chunks, as clients that stream do."""
    for at in range(0, len(content), 100):
        yield content[at : at + 100]


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_are_bounded_to_the_byte(served: World, chunked: bool) -> None:
    fits, too_large = line(MAX_BYTES), line(MAX_BYTES + 1)
    accepted = served.call("POST", BULK, content=in_parts(fits) if chunked else fits)
    assert accepted.status_code == 200, accepted.text
    refused = served.call("POST", BULK, content=in_parts(too_large) if chunked else too_large)
    check_native_error(refused, 413, "body_too_large")


@pytest.mark.parametrize("path", ["/v1/search", BULK, "/v1/collections/docs/documents:upload", "/v1/nowhere"])
def test_no_route_reads_past_the_bound(served: World, path: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"} if path.endswith("upload") else {}
    response = served.call("POST", path, content=in_parts(line(MAX_BYTES * 20)), headers=headers)
    assert response.status_code in (404, 413)
    check_native_error(response, 404 if path == "/v1/nowhere" else 413)


def test_a_false_length_is_refused(served: World) -> None:
    response = served.call("POST", "/v1/search", content=in_parts(b"{}"), headers={"Content-Length": "-5"})
    check_native_error(response, 413)


def test_a_key_that_asks_too_often_waits(tmp_path: Path) -> None:
    with world(tmp_path, rate_limit_per_minute=5) as served:
        statuses = [served.call("GET", "/v1/collections", "reader").status_code for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        refused = served.call("GET", "/v1/collections", "reader")
        check_native_error(refused, 429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 12  # a token every 12 s
        assert served.call("GET", "/v1/collections", "staff").status_code == 200  # others are not hit
        assert served.client.get("/healthz").status_code == 200


def test_buckets_refill_steadily() -> None:
    buckets = TokenBuckets(60)
    assert [buckets.take("a", 0.0) for _ in range(60)] == [0.0] * 60
    assert buckets.take("a", 0.0) == pytest.approx(1.0)
    assert buckets.take("a", 0.5) == pytest.approx(0.5)
    assert buckets.take("a", 1.5) == 0.0
    assert buckets.take("b", 1.5) == 0.0
    assert [buckets.take("a", 1000.0) for _ in range(60)] == [0.0] * 60  # never more than a bucketful
    assert buckets.take("a", 1000.0) > 0


def test_buckets_forget_those_who_may_take_everything() -> None:
    buckets = TokenBuckets(60)
    for number in range(MAX_BUCKETS):
        buckets.take(f"caller {number}", 0.0)
    assert [buckets.take("greedy", 100.0) for _ in range(60)] == [0.0] * 60
    buckets.take("one more", 100.0)
    assert len(buckets._buckets) <= MAX_BUCKETS
    assert buckets.take("greedy", 100.0) > 0  # who has taken all is not forgotten


def test_requests_at_once_are_bounded(tmp_path: Path) -> None:
    """One request stands still in its route; the next is told to come back, and health still answers."""
    entered, leave = threading.Event(), threading.Event()

    def stand_still() -> None:
        entered.set()
        assert leave.wait(20)

    with world(tmp_path, in_flight=1) as served:
        served.app.router.add_api_route("/v1/standing", stand_still, methods=["GET"])
        first = threading.Thread(target=served.call, args=("GET", "/v1/standing"))
        first.start()
        try:
            assert entered.wait(20)
            refused = served.call("GET", "/v1/collections")
            check_native_error(refused, 503, "busy")
            assert refused.headers["retry-after"] == "1"
            assert served.client.get("/healthz").status_code == 200
        finally:
            leave.set()
            first.join()
        assert served.call("GET", "/v1/collections").status_code == 200


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with in_process(tmp_path_factory.mktemp("plain")) as opened:
        fill(opened)
        yield opened


SEARCH = b'{"collection": "docs", "query": "warranty"}'


def begun(base: str, path: str, body: bytes, length: int, **headers: str) -> socket.socket:
    """A connection whose request says that `length` bytes come, and has sent `body` of them."""
    host, port = base.removeprefix("http://").split(":")
    opened = socket.create_connection((host, int(port)), timeout=WAIT_SECONDS)
    told = {"Host": host, "Content-Type": "application/json", "Content-Length": str(length), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    opened.sendall("\r\n".join(lines).encode() + body)
    return opened


def ask(method: str, url: str, **more: Any) -> int:
    """The status of an ordinary request."""
    return httpx.request(method, url, timeout=WAIT_SECONDS, trust_env=False, **more).status_code


def answered(opened: socket.socket) -> tuple[int, str]:
    """Status and whole text of the answer; returns once the server has closed the connection."""
    with opened, opened.makefile("rb") as stream:
        text = stream.read().decode()
    return int(text.split(" ", 2)[1]), text.lower()


def test_logins_that_send_nothing_keep_nobody_from_working(plain: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many of them as there are places for requests: they have places of their own."""
    monkeypatch.setattr("api.access.limits.MAX_LOGINS", 2)
    with on_port(plain, in_flight=2, patience=Patience(silent_seconds=60, whole_seconds=60)) as base:
        logins = [begun(base, "/console/session", b"{", 100) for _ in range(2)]
        status, text = answered(begun(base, "/console/session", b"{", 100, Connection="close"))
        assert status == 503 and "logins are under way" in text
        assert ask("GET", f"{base}/v1/collections", headers=plain.headers()) == 200
        for login in logins:
            login.close()


@pytest.mark.parametrize("patience", [Patience(whole_seconds=0.2, least_pace=10), Patience(silent_seconds=0.2)])
def test_a_body_must_come_at_some_pace(plain: Served, patience: Patience) -> None:
    """Whatever reads it, who sends none is told, and the connection closed."""
    key = plain.headers(Scope.WRITE)
    with on_port(plain, patience=patience) as base:
        for path in ("/console/session", "/v1/search", "/v1/answers", BULK, "/mcp"):
            status, text = answered(begun(base, path, b"{", len(SEARCH), **key))
            assert status == 408 and "body_too_slow" in text and "\r\nconnection: close" in text


def test_a_body_that_keeps_its_pace_is_read_to_the_end(plain: Served) -> None:
    """Sent for longer than a body may take of which nothing came: what came has bought it the time."""
    padded = b" " * 2000 + SEARCH
    with on_port(plain, patience=Patience(whole_seconds=0.2, least_pace=10)) as base:
        opened = begun(base, "/v1/search", padded[:2000], len(padded), Connection="close", **plain.headers())
        time.sleep(0.5)
        opened.sendall(padded[2000:])
        status, text = answered(opened)
        assert status == 200 and "faq/warranty" in text


def test_slow_bodies_are_few(plain: Served) -> None:
    """One may be slow: of two that stand still the later to be noticed is refused, the other is still waited for."""
    key = plain.headers()
    with on_port(
        plain, patience=Patience(silent_seconds=60, whole_seconds=60, prompt_seconds=0.5, most_slow=1)
    ) as base:
        both = [begun(base, "/v1/search", SEARCH[:1], len(SEARCH), Connection="close", **key) for _ in range(2)]
        (refused,), _, _ = select.select(both, [], [], WAIT_SECONDS)
        status, text = answered(refused)
        assert status == 503 and "come slowly" in text
        assert ask("POST", f"{base}/v1/search", content=SEARCH, headers=key | JSON) == 200
        (left,) = (one for one in both if one is not refused)
        left.sendall(SEARCH[1:])
        assert answered(left)[0] == 200
        late = begun(base, "/v1/search", SEARCH[:1], len(SEARCH), Connection="close", **key)
        time.sleep(0.8)  # it is slow, and may be: the place was given back
        late.sendall(SEARCH[1:])
        assert answered(late)[0] == 200


def test_a_client_that_hangs_up_is_no_failure_of_ours(plain: Served, caplog: pytest.LogCaptureFixture) -> None:
    reader, text = plain.headers(), ""
    counted = 'kb_requests_total{method="POST",route="/v1/search",status="499"} 1.0'
    with on_port(plain) as base:
        begun(base, "/v1/search", SEARCH[:1], len(SEARCH), **reader).close()
        deadline = time.monotonic() + WAIT_SECONDS
        while counted not in text and time.monotonic() < deadline:
            text = httpx.get(f"{base}/metrics", headers=reader, timeout=WAIT_SECONDS, trust_env=False).text
    assert counted in text and 'status="500"' not in text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("path", ["/healthz", "/v1/collections", "/v1/nowhere", "/openapi.json"])
@pytest.mark.parametrize("key", ["reader", "wrong"])
def test_every_response_is_dressed(served: World, path: str, key: str) -> None:
    headers = served.call("GET", path, key).headers
    assert {name: headers[name] for name in SAFE_HEADERS} == SAFE_HEADERS
    assert "server" not in headers


@pytest.mark.parametrize("given", ["abc-123", "a" * 128])
def test_sane_request_ids_are_taken_over(served: World, given: str) -> None:
    response = served.call("GET", "/v1/nowhere", headers={"X-Request-Id": given})
    assert response.headers["x-request-id"] == given == response.json()["error"]["request_id"]


@pytest.mark.parametrize("given", ["", "a" * 129, "two words", "<script>", "line\tbreak"])
def test_other_request_ids_are_replaced(served: World, given: str) -> None:
    made = [served.call("GET", "/healthz", headers={"X-Request-Id": given}).headers["x-request-id"] for _ in range(2)]
    assert given not in made and made[0] != made[1] and all(len(one) == 16 for one in made)


def test_metrics_count_what_happened(served: World) -> None:
    served.search("warranty")
    served.call("GET", "/v1/collections/docs/documents/no-such-key")
    text = served.call("GET", "/metrics", "reader").text
    assert 'kb_requests_total{method="POST",route="/v1/search",status="200"}' in text
    assert 'route="/v1/collections/{collection}/documents/{key:path}",status="404"' in text
    assert "no-such-key" not in text
    assert 'kb_search_stage_seconds_count{stage="dense"}' in text
    assert 'kb_view_lag_operations{collection="docs"} 0.0' in text
    assert 'kb_documents{collection="other"} 0.0' in text
    check_native_error(served.call("GET", "/metrics", "elsewhere"), 403, "forbidden")
