"""Connections of clients that send no end of headers, nothing at all, ask for other protocols or do not read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest
from served import Served, fill, in_process, on_port
from waiting import PATIENCE_SECONDS, eventually

from api.http import connections
from retrieval.catalog.keys import Scope
from retrieval.types import Document

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"

SCHEMA = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"  # some 300 KB are the answer

Connect = Callable[[], socket.socket]


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with in_process(tmp_path_factory.mktemp("kb")) as opened:
        fill(opened)
        yield opened


@pytest.fixture(scope="module")
def base(kb: Served) -> Iterator[str]:
    with on_port(kb) as url:
        yield url


@pytest.fixture
def connect(base: str) -> Iterator[Connect]:
    with connecting(base) as connected:
        yield connected


@pytest.fixture
def connect_alone(kb: Served) -> Iterator[Connect]:
    """To a server of the test's own: nobody else's connections count."""
    with on_port(kb) as url, connecting(url) as connected:
        yield connected


@contextlib.contextmanager
def connecting(url: str) -> Iterator[Connect]:
    """Connections that end with the block."""
    opened: list[socket.socket] = []
    host, port = url.removeprefix("http://").split(":")

    def connected() -> socket.socket:
        opened.append(socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS))
        return opened[-1]

    yield connected
    for one in opened:
        one.close()


def sent(one: socket.socket, content: bytes) -> bytes:
    """What the server says to that until it closes the connection."""
    said = b""
    try:
        one.sendall(content)
        while part := one.recv(65_536):
            said += part
    except (ConnectionResetError, BrokenPipeError):
        pass  # it closed before it had read all
    return said


def reply(one: socket.socket) -> bytes:
    """One whole reply, whose head and body may come in parts; less where the server closes before its end."""
    said = b""
    while part := one.recv(65_536):
        said += part
        head, end, body = said.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        if end and len(body) >= int(length[1] if length else 0):
            break
    return said


def answer(one: socket.socket, content: bytes) -> bytes:
    one.sendall(content)
    return reply(one)


@pytest.mark.parametrize("beginning", [b"GET /", HEALTH + b"X: ", HEALTH + b"\r\n" + HEALTH + b"X: "])
def test_headers_without_an_end_are_refused(connect: Connect, beginning: bytes) -> None:
    one = connect()
    one.sendall(beginning)
    began = time.process_time()
    try:
        for _ in range(80):
            one.sendall(b"x" * 2**20)
        pytest.fail("80 MB of headers were taken")
    except (ConnectionResetError, BrokenPipeError):
        assert time.process_time() - began < 5


def test_headers_of_usual_size_pass(connect: Connect) -> None:
    one = connect()
    for _ in range(2):
        whole = HEALTH + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(50)) + b"\r\n"
        for at in range(0, len(whole), 20_000):
            one.sendall(whole[at : at + 20_000])
            time.sleep(0.01)
        assert reply(one).startswith(b"HTTP/1.1 200")


def test_too_large_headers_are_told_so(connect: Connect) -> None:
    one = connect()
    one.sendall(HEALTH)
    time.sleep(0.05)  # so that it comes in two parts, the second of which begins within headers
    assert sent(one, b"X: " + b"x" * connections.MAX_HEADER_BYTES).startswith(b"HTTP/1.1 431")


def test_bodies_whose_chunks_come_apart_from_their_sizes_are_read(connect: Connect) -> None:
    one = connect()
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.sendall(b"POST /v1/search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    size = 2 * connections.MAX_HEADER_BYTES
    for _ in range(10):
        one.sendall(b"%x\r\n" % size)
        time.sleep(0.02)  # so that size and data come in two reads
        one.sendall(b"x" * size + b"\r\n")
    assert sent(one, b"0\r\n\r\n" + HEALTH + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 401")


def test_endless_trailers_are_cut_off(connect: Connect) -> None:
    one = connect()
    one.sendall(b"POST /v1/search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ")
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(80):
            one.sendall(b"x" * 2**20)


@pytest.mark.parametrize(("content", "status"), [(b"", b""), (HEALTH, b"HTTP/1.1 408"), (b"\r\n", b"HTTP/1.1 408")])
def test_headers_must_come_in_time(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, content: bytes, status: bytes
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    assert sent(connect(), content).startswith(status)


@pytest.mark.parametrize("parts", [1, 2])
def test_later_headers_must_come_in_time_too(connect: Connect, monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    one = connect()
    assert answer(one, HEALTH + b"\r\n").startswith(b"HTTP/1.1 200")
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    for _ in range(parts - 1):
        one.sendall(HEALTH)
        time.sleep(0.05)  # so that the rest comes by itself
    assert sent(one, HEALTH if parts == 1 else b"X: y\r\n").startswith(b"HTTP/1.1 408")


def test_a_body_may_take_longer_than_headers(kb: Served, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    body = b'{"collection": "docs", "query": "warranty"}'
    key = kb.headers()["Authorization"].encode()
    one = connect()
    one.sendall(
        b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: %s\r\n"
        b"Content-Length: %d\r\n\r\n" % (key, len(body))
    )
    time.sleep(0.5)
    assert answer(one, body).startswith(b"HTTP/1.1 200")


def test_an_idle_connection_makes_room(connect_alone: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    first = connect_alone()
    assert answer(first, HEALTH + b"\r\n").startswith(b"HTTP/1.1 200")
    time.sleep(0.01)  # the loop's clock counts milliseconds
    for one in (connect_alone(), connect_alone()):
        assert answer(one, HEALTH + b"\r\n").startswith(b"HTTP/1.1 200")
    assert sent(first, b"") == b""


def test_a_connection_is_refused_where_all_work(
    kb: Served, connect_alone: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 1)
    key = kb.headers()["Authorization"].encode()
    head = b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nAuthorization: %s\r\n" % key
    begun = answer(connect_alone(), head + b"Expect: 100-continue\r\n\r\n")
    assert begun.startswith(b"HTTP/1.1 100")  # the body is waited for
    assert sent(connect_alone(), b"").startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("body", [b'{"text": "Upgraded words."}', b""])
@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("asked", [b"Upgrade, HTTP2-Settings", b"upgrade"])
def test_a_request_that_asks_for_an_upgrade_is_answered(
    kb: Served, connect: Connect, body: bytes, in_parts: bool, asked: bytes
) -> None:
    key = kb.headers(Scope.WRITE)["Authorization"].encode()
    head = (
        b"PUT /v1/collections/docs/documents/upgraded HTTP/1.1\r\nHost: a\r\nConnection: %s\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nAuthorization: %s\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    ) % (asked, key, len(body))
    one = connect()
    for _ in range(2):
        if in_parts:
            one.sendall(head)
            time.sleep(0.2)
            said = answer(one, body) if body else reply(one)
        else:
            said = answer(one, head + body)
        assert said.startswith(b"HTTP/1.1 200" if body else b"HTTP/1.1 422"), said
    assert answer(one, HEALTH + b"\r\n").startswith(b"HTTP/1.1 200")


def test_upgrades_one_after_the_other_end_the_connection(connect: Connect) -> None:
    asking = HEALTH + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert b"HTTP/1.1 400" in sent(connect(), asking * 5_000)


def test_who_does_not_read_is_cut_off(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "READER_SECONDS", 0.3)
    caplog.set_level(logging.INFO, connections.logger.name)
    one = connect()
    assert answer(one, SCHEMA).startswith(b"HTTP/1.1 200")
    one.sendall(SCHEMA * 100)
    eventually(lambda: "a client was cut off" in caplog.text)
    assert sent(one, b"").count(b"HTTP/1.1 200") < 100
    assert not [record for record in caplog.records if record.exc_info]


def test_who_reads_slowly_is_served(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READER_SECONDS", 2.0)
    one = connect()
    one.sendall(SCHEMA * 60 + HEALTH + b"Connection: close\r\n\r\n")
    said = b""
    while part := one.recv(262_144):
        said += part
        time.sleep(0.05)
    assert said.count(b"HTTP/1.1 200") == 61


def test_a_download_is_not_what_makes_room(kb: Served, connect_alone: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    made = connections.Connection.connection_made

    def with_little_buffered(self: connections.Connection, transport: asyncio.Transport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        made(self, transport)

    monkeypatch.setattr(connections.Connection, "connection_made", with_little_buffered)
    kb.kb.create_collection("large")
    kb.kb.write("large", [Document("a", "The pump stops. " * 60_000)])
    reading = connect_alone()
    reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    key = b"Authorization: Bearer " + kb.key(Scope.READ).encode() + b"\r\n"
    reading.sendall(HEALTH.replace(b"/healthz", b"/v1/collections/large/documents/a") + key + b"\r\n")
    said = reading.recv(1000)  # all of it is handed over, and most waits
    idle = connect_alone()
    assert answer(idle, HEALTH + b"\r\n").startswith(b"HTTP/1.1 200")
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    assert answer(connect_alone(), HEALTH + b"\r\n").startswith(b"HTTP/1.1 200")
    assert idle.recv(1) == b""
    while len(said) < 900_000 and (part := reading.recv(262_144)):
        said += part
    assert len(said) >= 900_000


def test_a_client_that_leaves_before_its_turn_is_no_failure(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    one = connect()
    one.sendall(SCHEMA * 20)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed by a reset
    one.close()
    assert answer(connect(), HEALTH + b"\r\n").startswith(b"HTTP/1.1 200")
    time.sleep(0.5)
    assert not [record for record in caplog.records if record.exc_info]
