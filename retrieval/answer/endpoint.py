"""A chat model behind any OpenAI-compatible endpoint (Ollama, vLLM, hosted): streamed over SSE, with time-outs."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import httpx

from infra.addresses import without_login
from retrieval.errors import InvalidInputError, OutageError

DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Where the model is and how long to wait, seconds.

    `base_url` ends before `/chat/completions`; it may hold user and password, which no message tells.
    """

    base_url: str
    model: str
    api_key: str = ""
    connect_timeout: float = 3.0
    first_token_timeout: float = 20.0
    total_timeout: float = 30.0
    temperature: float = 0.0
    max_tokens: int = 600

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise InvalidInputError(
                f"llm_base_url is {without_login(self.base_url)!r}; expected an address such as http://localhost:11434/v1"
            )
        if not self.model:
            raise InvalidInputError("llm_model is empty; expected the name of a model at the endpoint")


class ChatEndpoint:
    """A `Generator` over HTTP. Any failure, at any moment, is an `OutageError` that says what happened; no retries."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        headers = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
        timeout = httpx.Timeout(settings.total_timeout, connect=settings.connect_timeout, read=settings.total_timeout)
        self._client = httpx.Client(headers=headers, timeout=timeout)

    def stream(self, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        """Pieces of the answer as they come. Raises `OutageError`."""
        started, stop = time.monotonic(), Event()
        arrived: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()
        Thread(target=self._pump, args=(messages, arrived, stop), daemon=True, name="llm-endpoint").start()
        pieces = 0
        try:
            while (piece := self._next(arrived, started, pieces)) is not None:
                pieces += 1
                yield piece
        finally:
            stop.set()  # the pump ends at its next chunk
        if not pieces:
            raise OutageError(f"{self._name} sent an empty answer")

    def close(self) -> None:
        """Release the connections."""
        self._client.close()

    @property
    def _name(self) -> str:
        return f"endpoint {without_login(self._settings.base_url)} (model {self._settings.model})"

    def _next(self, arrived: queue.SimpleQueue[str | Exception | None], started: float, pieces: int) -> str | None:
        """The next piece, None at the end; the waits are ours because a slow drip defeats a socket's time-out."""
        settings = self._settings
        limit = settings.total_timeout if pieces else min(settings.first_token_timeout, settings.total_timeout)
        try:
            piece = arrived.get(timeout=max(0.0, started + limit - time.monotonic()))
        except queue.Empty:
            what = "was not complete" if pieces else "had not begun"
            raise OutageError(f"{self._name}: the answer {what} after {limit:g} s") from None
        if isinstance(piece, Exception):
            raise OutageError(f"{self._name}: {_explain(piece)}") from piece
        return piece

    def _pump(
        self, messages: Sequence[dict[str, str]], arrived: queue.SimpleQueue[str | Exception | None], stop: Event
    ) -> None:
        try:
            for piece in self._pieces(messages):
                if stop.is_set():
                    return
                arrived.put(piece)
        except Exception as error:  # whatever it is must reach the caller, who would wait for nothing
            arrived.put(error)
        else:
            arrived.put(None)

    def _pieces(self, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        settings = self._settings
        body = {
            "model": settings.model,
            "messages": list(messages),
            "stream": True,
            "temperature": settings.temperature,
            "max_tokens": settings.max_tokens,
        }
        url = settings.base_url.rstrip("/") + "/chat/completions"
        with self._client.stream("POST", url, json=body) as response:
            if response.status_code != httpx.codes.OK:
                raise _EndpointError(f"answered {response.status_code}: {_excerpt(response.read())}")
            if "json" in response.headers.get("content-type", ""):  # a server that does not stream
                yield _whole_text(response.read())
                return
            yield from _sse_pieces(response.iter_lines())


class _EndpointError(Exception):
    """The endpoint answered something other than a chat completion."""


def _sse_pieces(lines: Iterator[str]) -> Iterator[str]:
    """Texts of a stream of chat completion chunks. Raises `_EndpointError` where it is garbage or cut off."""
    finished = False
    for line in lines:
        if not line.startswith("data:"):
            continue  # comments (keep-alive), event names, blank lines
        data = line[len("data:") :].strip()
        if data == DONE:
            return
        text, is_last = _chunk(data)
        finished = finished or is_last
        if text:
            yield text
    if not finished:
        raise _EndpointError("broke off before the end of the answer")


def _chunk(data: str) -> tuple[str, bool]:
    """(text, whether it is the last) of one chunk."""
    try:
        chunk = json.loads(data)
        _raise_error_in(chunk)
        choices = chunk["choices"]
        if not choices:
            return "", False  # a usage report
        return choices[0].get("delta", {}).get("content") or "", choices[0].get("finish_reason") is not None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise _EndpointError(f"sent {_excerpt(data.encode())}, expected a chat completion chunk") from None


def _whole_text(body: bytes) -> str:
    try:
        completion = json.loads(body)
        _raise_error_in(completion)
        return str(completion["choices"][0]["message"]["content"] or "")
    except (ValueError, KeyError, TypeError, IndexError):
        raise _EndpointError(f"sent {_excerpt(body)}, expected a chat completion") from None


def _raise_error_in(message: Any) -> None:
    if isinstance(message, dict) and message.get("error"):
        raise _EndpointError(f"reported {_excerpt(json.dumps(message['error']).encode())}")


def _explain(error: Exception) -> str:
    if isinstance(error, _EndpointError):
        return str(error)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"cannot be reached ({type(error).__name__}: {error})"
    return f"failed ({type(error).__name__}: {error})"


def _excerpt(body: bytes) -> str:
    return repr(" ".join(body[:200].decode("utf-8", "replace").split()))
