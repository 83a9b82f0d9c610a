"""Texts of an OpenAI-compatible chat completion, streamed or whole, however malformed; bounded in bytes.

Shapes follow the OpenAI API reference for chat completions and their chunks, lines the HTML standard's server-sent
events. Content may be a string, null, or a list of parts with a `text`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx

from retrieval.answer.thoughts import Thought

DONE = "[DONE]"
MAX_BYTES = 4_000_000  # of a reply, unless it may have more tokens than these are enough for
BYTES_PER_TOKEN = 1_000  # three times what one takes in a chunk of its own
MAX_ERROR_BYTES = 4_000  # of what a failure says; more is not read
SHOWN = 200  # characters of what an endpoint sent that a message quotes
_THOUGHTS = ("reasoning_content", "reasoning")  # of a delta: DeepSeek's and vLLM's name, OpenRouter's and Ollama's
_LINE_END = re.compile(rb"\r\n|\r|\n")


class EndpointError(Exception):
    """The endpoint answered something other than a chat completion; `sent` is what, and stands for `{}` in the text."""

    def __init__(self, what: str, sent: str = "") -> None:
        super().__init__(what)
        self.what, self.sent = what, sent


def texts_of(response: httpx.Response, received: Iterable[bytes], max_tokens: int = 0) -> Iterator[str]:
    """Pieces of the text that `received`, the response's body, brings, and of thoughts that the server has parsed.

    `max_tokens`: how many were asked for; more bytes than these may take are an error. Raises `EndpointError`.
    """
    if response.status_code != httpx.codes.OK:
        raise EndpointError(f"answered {response.status_code}: {{}}", _beginning(received))
    if "json" in response.headers.get("content-type", ""):  # a server that does not stream
        pieces = _whole(b"".join(_bounded(received, max_tokens)).decode("utf-8", "replace"))
    else:
        pieces = _streamed(_lines(_bounded(received, max_tokens)))
    yield from _whole_characters(pieces)


def _beginning(received: Iterable[bytes]) -> str:
    body = bytearray()
    for data in received:
        body += data
        if len(body) >= MAX_ERROR_BYTES:
            break
    return body[:MAX_ERROR_BYTES].decode("utf-8", "replace")


def _bounded(received: Iterable[bytes], max_tokens: int) -> Iterator[bytes]:
    most, size = max(MAX_BYTES, BYTES_PER_TOKEN * max_tokens), 0
    for data in received:
        size += len(data)
        if size > most:
            raise EndpointError(f"sent more than {most:,} bytes")
        yield data


def _lines(received: Iterable[bytes]) -> Iterator[str]:
    """Lines end at CR, LF or both; other separators, such as U+2028, may stand in JSON as they are."""
    pending = bytearray()
    for data in received:
        first, *others = _LINE_END.split(data)
        pending += first
        for other in others:
            yield pending.decode("utf-8", "replace")
            pending = bytearray(other)
    yield pending.decode("utf-8", "replace")


def _streamed(lines: Iterable[str]) -> Iterator[str]:
    ended = ""
    for line in lines:
        if not line.startswith("data:"):
            continue  # comments (keep-alive), event names, blank lines
        data = line[len("data:") :].strip()
        if data == DONE:
            break
        pieces, reason = _chunk(data)
        ended = reason or ended
        yield from pieces
    else:
        if not ended:
            raise EndpointError("broke off before the end of the answer")
    _check_end(ended)


def _chunk(data: str) -> tuple[list[str], str]:
    """(what it brings, why it is the last or "") of one chunk."""
    try:
        chunk = json.loads(data)
        _raise_error_in(chunk)
        choices = chunk["choices"]
        if not choices:
            return [], ""  # a usage report
        delta, reason = choices[0].get("delta") or {}, choices[0].get("finish_reason") or ""
        return _pieces(delta), reason
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise EndpointError("sent {}, expected a chat completion chunk", data) from None


def _whole(body: str) -> Iterator[str]:
    try:
        completion = json.loads(body)
        _raise_error_in(completion)
        choice = completion["choices"][0]
        pieces, reason = _pieces(choice["message"]), choice.get("finish_reason") or ""
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise EndpointError("sent {}, expected a chat completion", body) from None
    yield from pieces
    _check_end(reason)


def _pieces(message: Mapping[str, Any]) -> list[str]:
    """A thought, which some servers name in two ways at once, and a text; of either only what there is."""
    thought = next((Thought(message[name]) for name in _THOUGHTS if message.get(name)), Thought())
    return [piece for piece in (thought, _text(message.get("content"))) if piece]


def _text(content: Any) -> str:
    """The text of a message's content. Raises `TypeError` where it is of no shape that the contract knows."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        return "".join(_text(part["text"]) for part in content if part.get("type", "text") == "text")
    raise TypeError


def _check_end(reason: str) -> None:
    if reason == "length":
        raise EndpointError("reached its limit of tokens before the end of the answer")


def _whole_characters(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces with surrogates joined, as a character that JSON escapes as two may be cut between two chunks."""
    held = ""
    for piece in pieces:
        if isinstance(piece, Thought):
            yield piece
            continue
        text = held + piece
        held = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        text = text.removesuffix(held)
        if text:
            yield text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if held:
        yield "\ufffd"


def _raise_error_in(message: Any) -> None:
    if isinstance(message, dict) and message.get("error"):
        raise EndpointError("reported {}", json.dumps(message["error"], ensure_ascii=False))
