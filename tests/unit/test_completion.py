"""What an endpoint sends, read as text or told as an error: parts, cut characters, line ends, limits."""

from __future__ import annotations

import json

import httpx
import pytest

from retrieval.answer import completion
from retrieval.answer.completion import EndpointError, texts_of
from retrieval.answer.thoughts import Thought


def chunk(content: object, reason: str | None = None, plain: bool = False) -> bytes:
    message = {"choices": [{"delta": {"content": content}, "finish_reason": reason}]}
    return b"data: " + json.dumps(message, ensure_ascii=not plain).encode() + b"\n\n"


def read(body: bytes, kind: str = "text/event-stream", status: int = 200, size: int = 3) -> str:
    response = httpx.Response(status, headers={"content-type": kind})
    return "".join(texts_of(response, [body[at : at + size] for at in range(0, len(body), size)]))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (chunk("a") + chunk("b", "stop"), "ab"),
        (chunk([{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}], "stop"), "ab"),
        (chunk("\ud83d") + chunk("\ude00", "stop"), "😀"),
        (chunk("\ud83d") + chunk("b", "stop"), "\ufffdb"),
        (chunk("a") + chunk("\ud83d", "stop"), "a\ufffd"),
        (chunk("a\u2028b\u0085c", "stop", plain=True), "a\u2028b\u0085c"),
        ((b": ping\n\n" + chunk("a", "stop")).replace(b"\n", b"\r\n"), "a"),
        ((b": ping\n\n" + chunk("a", "stop")).replace(b"\n", b"\r"), "a"),
        (chunk("a") + b"data: [DONE]", "a"),
        (chunk(None, "stop"), ""),
    ],
)
def test_streams_are_read(body: bytes, text: str) -> None:
    assert {read(body, size=size) for size in (1, 7, 10_000)} == {text}


@pytest.mark.parametrize("content", ["ab", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]])
def test_whole_replies_are_read(content: object) -> None:
    assert read(json.dumps({"choices": [{"message": {"content": content}}]}).encode(), "application/json") == "ab"


def test_thoughts_that_the_server_parsed_are_told_apart() -> None:
    """Under either name, once where both are used, and in a reply that is not streamed."""
    deltas = [{"reasoning": "Hm"}, {"reasoning": "m.", "reasoning_content": "m."}, {"content": "a", "reasoning": "!"}]
    events = [json.dumps({"choices": [{"delta": delta, "finish_reason": "stop"}]}) for delta in deltas]
    told = [("Hm", True), ("m.", True), ("!", True), ("a", False)]
    body = "".join(f"data: {event}\n\n" for event in events).encode()
    assert [(piece, isinstance(piece, Thought)) for piece in texts_of(httpx.Response(200), [body])] == told
    whole = json.dumps({"choices": [{"message": {"content": "a", "reasoning_content": "Hm"}}]}).encode()
    response = httpx.Response(200, headers={"content-type": "application/json"})
    assert [(piece, isinstance(piece, Thought)) for piece in texts_of(response, [whole])] == [told[0], told[-1]]


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (chunk(5), "text/event-stream", "expected a chat completion chunk"),
        (chunk(["x"]), "text/event-stream", "expected a chat completion chunk"),
        (b"data: " + b"[" * 100_000, "text/event-stream", "expected a chat completion chunk"),
        (chunk("a", "length"), "text/event-stream", "limit of tokens"),
        (chunk("a"), "text/event-stream", "broke off"),
        (b'{"choices": [{"message": {"content": 5}}]}', "application/json", "expected a chat completion"),
        (
            b'{"choices": [{"message": {"content": "a"}, "finish_reason": "length"}]}',
            "application/json",
            "limit of tokens",
        ),
    ],
)
def test_anything_else_is_an_error(body: bytes, kind: str, said: str) -> None:
    with pytest.raises(EndpointError, match=said):
        read(body, kind, size=1000)


def test_no_more_is_read_than_an_answer_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "MAX_BYTES", 500)
    for kind in ("text/event-stream", "application/json"):
        with pytest.raises(EndpointError, match="more than 500 bytes"):
            read(b": ping\n" * 100, kind)
    long = b": ping\n" * 600
    assert list(texts_of(httpx.Response(200), [long, chunk("a", "stop")], max_tokens=5)) == ["a"]
    with pytest.raises(EndpointError, match="more than 5,000 bytes"):
        list(texts_of(httpx.Response(200), [long, long], max_tokens=5))
    asked = 0

    def endless() -> object:
        nonlocal asked
        while True:
            asked += 1
            yield b"x" * 1000

    with pytest.raises(EndpointError) as caught:
        list(texts_of(httpx.Response(500), endless()))  # type: ignore[arg-type]
    assert len(caught.value.sent) == completion.MAX_ERROR_BYTES and asked == 4
