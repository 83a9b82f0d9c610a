"""An endpoint that never ends, never answers or tells secrets: the limits hold, and no message holds the key."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

import pytest
from loopback_server import QuietHandler, serving
from waiting import PATIENCE_SECONDS

from retrieval.answer.endpoint import ChatEndpoint, EndpointSettings
from retrieval.answer.thoughts import Thought
from retrieval.errors import InvalidInputError, OutageError

KEY = "sk-SECRET/123"
Behaviour = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[[Behaviour], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that behaves so on each request; gives its base URL."""

    def start(behave: Behaviour) -> str:
        class Handler(QuietHandler):
            def do_POST(self) -> None:
                self.read_body()
                try:
                    behave(self)
                except OSError:
                    pass  # the client has gone

        return f"{servers.enter_context(serving(Handler))}/v1"

    with ExitStack() as servers:
        yield start


def ask(settings: EndpointSettings) -> str:
    """What the failure says."""
    endpoint = ChatEndpoint(settings)
    try:
        with pytest.raises(OutageError) as caught:
            list(endpoint.stream([{"role": "user", "content": "?"}]))
    finally:
        endpoint.close()
    assert caught.value.__cause__ is None
    return str(caught.value)


def begin(handler: BaseHTTPRequestHandler, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()


def test_a_reply_that_never_ends_is_late(serve: Serve) -> None:
    def write(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        while True:
            handler.wfile.write(b'data: {"choices": [{"delta": {"content": "x "}}]}\n\n' * 10)
            time.sleep(0.001)

    endpoint = ChatEndpoint(EndpointSettings(f"http://{serve(write)}", "m", total_timeout=0.5))
    with pytest.raises(OutageError, match="was not complete after 0.5 s"):
        for _ in endpoint.stream([]):
            time.sleep(0.01)  # a reader that is slower than the endpoint
    endpoint.close()


def test_a_reply_that_was_complete_in_time_may_be_read_later(serve: Serve) -> None:
    def write(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        handler.wfile.write(b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n' * 3 + b"data: [DONE]\n\n")

    endpoint = ChatEndpoint(EndpointSettings(f"http://{serve(write)}", "m", total_timeout=1))
    pieces = []
    for piece in endpoint.stream([]):
        pieces.append(piece)
        time.sleep(1.1 if len(pieces) == 1 else 0)
    endpoint.close()
    assert pieces == ["x", "x", "x"]


def test_an_endpoint_that_only_says_that_it_lives_is_left(serve: Serve) -> None:
    left = threading.Event()

    def ping(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        try:
            for _ in range(400):
                handler.wfile.write(b": ping\n\n")
                time.sleep(0.05)
        except OSError:
            left.set()

    endpoint = ChatEndpoint(EndpointSettings(f"http://{serve(ping)}", "m", first_token_timeout=0.3))
    with pytest.raises(OutageError, match="had not begun after 0.3 s"):
        list(endpoint.stream([]))
    assert left.wait(PATIENCE_SECONDS)
    endpoint.close()


def test_long_thoughts_are_read_where_so_many_tokens_were_asked_for(serve: Serve) -> None:
    """In chunks of their own, as vLLM writes them: 15,000 tokens are more than an answer without thoughts may have."""
    thought = {"id": "chatcmpl-" + "0" * 32, "object": "chat.completion.chunk", "created": 1, "model": "m" * 40}
    thought |= {"choices": [{"index": 0, "delta": {"reasoning_content": " so"}, "logprobs": None}], "pad": "x" * 120}

    def write(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        handler.wfile.write(f"data: {json.dumps(thought)}\n\n".encode() * 15_000)
        handler.wfile.write(b'data: {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}\n\n')

    endpoint = ChatEndpoint(EndpointSettings(f"http://{serve(write)}", "m", max_tokens=16_000))
    pieces = list(endpoint.stream([]))
    assert [piece for piece in pieces if not isinstance(piece, Thought)] == ["x"] and len(pieces) == 15_001
    endpoint.close()


def test_blank_replies_are_empty(serve: Serve) -> None:
    def write(handler: BaseHTTPRequestHandler) -> None:
        begin(handler)
        handler.wfile.write(b'data: {"choices": [{"delta": {"content": " \\n"}, "finish_reason": "stop"}]}\n\n')

    assert "sent an empty answer" in ask(EndpointSettings(f"http://{serve(write)}", "m"))


@pytest.mark.parametrize("status", [200, 401])
def test_what_the_endpoint_echoes_is_hidden(serve: Serve, status: int) -> None:
    def echo(handler: BaseHTTPRequestHandler) -> None:
        begin(handler, status)
        told = json.dumps({"error": f"bad key {handler.headers['Authorization']}, pa#ss, pa%23ss"})
        handler.wfile.write(f"data: {told}\n\n".replace("/", "\\/").encode())

    url = serve(echo)
    said = ask(EndpointSettings(f"http://{url}", "m", api_key=f" {KEY}\n"))
    assert "Bearer ***" in said and "SECRET" not in said
    said = ask(EndpointSettings(f"http://user:pa%23ss@{url}", "m"))
    assert "Basic ***, ***, ***" in said and "user" not in said


@pytest.mark.parametrize(
    "url",
    [
        "http://u:S3c#ret@host/v1",
        "http://u:S3c/ret@host/v1",
        "http://u:9/S3cret@host/v1",
        "http://u:S3c?ret@host/v1",
        "http://u:S3c ret@host/v1",
        "http://u:S3c[ret@host/v1",
        "http://u:S3cret@/v1",
        "u:S3cret@host/v1",
        "ftp://u:S3cret@host/v1",
    ],
)
def test_addresses_that_do_not_parse_are_refused_without_being_told(url: str) -> None:
    with pytest.raises(InvalidInputError, match="llm_base_url") as caught:
        EndpointSettings(url, "m")
    assert "S3c" not in str(caught.value) and "ret@" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-密钥", "sk SECRET", "sk-\nSECRET"])
def test_keys_that_no_header_takes_are_refused_without_being_told(key: str) -> None:
    with pytest.raises(InvalidInputError, match="llm_api_key") as caught:
        EndpointSettings("http://host/v1", "m", api_key=key)
    assert "sk" not in str(caught.value)


def test_settings_do_not_show_their_secrets() -> None:
    assert "S3cret" not in repr(EndpointSettings("http://u:S3cret@host/v1", "m", api_key="S3cret"))
