"""A chat model behind any OpenAI-compatible endpoint (Ollama, vLLM, hosted): streamed over SSE, with time-outs."""

from __future__ import annotations

import base64
import queue
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from threading import Event, Thread
from urllib.parse import unquote, urlsplit

import httpx

from infra.addresses import without_login
from infra.hiding import hide
from retrieval.answer.completion import SHOWN, EndpointError, texts_of
from retrieval.answer.thoughts import Thought
from retrieval.errors import InvalidInputError, OutageError

_KEY = re.compile(r"[!-~]*")  # what a header takes


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Where the model is and how long to wait, seconds. Raises `InvalidInputError` for what cannot be asked.

    `base_url` ends before `/chat/completions`; it may hold user and password. No message tells the password or
    the key, nor the user but where an endpoint repeats it.
    """

    base_url: str = field(repr=False)
    model: str
    api_key: str = field(default="", repr=False)
    connect_timeout: float = 3.0
    first_token_timeout: float = 20.0
    total_timeout: float = 30.0
    temperature: float = 0.0
    max_tokens: int = 600

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", self.base_url.strip())
        object.__setattr__(self, "api_key", self.api_key.strip())
        if not _is_address(self.base_url):
            raise InvalidInputError(
                "llm_base_url is no address; expected one such as http://localhost:11434/v1, without ? and #, and with "
                "the special characters of a user and password percent-encoded"
            )
        if not _KEY.fullmatch(self.api_key):
            raise InvalidInputError("llm_api_key holds white space or other characters that no HTTP header takes")
        if not self.model:
            raise InvalidInputError("llm_model is empty; expected the name of a model at the endpoint")


def _is_address(url: str) -> bool:
    """Whether user, password, host and port are where they belong: a stray / or # would make a path of a password."""
    try:
        parts = urlsplit(url)
        is_whole = parts.port != 0 and bool(parts.hostname)
    except ValueError:
        return False
    return is_whole and parts.scheme in ("http", "https") and "@" not in parts.path and not re.search(r"[?#\s]", url)


class ChatEndpoint:
    """A `ChatModel` over HTTP. Any failure, at any moment, is an `OutageError` that says what happened; no retries."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._secrets = _secrets(settings)
        headers = {"Accept-Encoding": "identity"}  # what is not packed does not grow beyond what was received
        if settings.api_key:
            headers["Authorization"] = f"Bearer {settings.api_key}"
        timeout = httpx.Timeout(settings.total_timeout, connect=settings.connect_timeout, read=settings.total_timeout)
        self._client = httpx.Client(headers=headers, timeout=timeout)

    def stream(self, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        """See `ChatModel.stream`: a reply of thoughts alone is an outage too, and a thought is a first token."""
        started, stop, complete = time.monotonic(), Event(), Event()
        arrived: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()  # what a reply may have, at most
        Thread(target=self._pump, args=(messages, arrived, stop, complete), daemon=True, name="llm-endpoint").start()
        pieces, is_blank = 0, True
        try:
            while (piece := self._next(arrived, started, pieces, complete)) is not None:
                pieces += 1
                is_blank = is_blank and (isinstance(piece, Thought) or not piece.strip())
                yield piece
        finally:
            stop.set()  # the pump ends at the next bytes, or when none come for `total_timeout`
        if is_blank:
            raise OutageError(f"{self._name} sent an empty answer")

    def close(self) -> None:
        """Release the connections."""
        self._client.close()

    @property
    def _name(self) -> str:
        return f"endpoint {without_login(self._settings.base_url)} (model {self._settings.model})"

    def _next(
        self, arrived: queue.SimpleQueue[str | Exception | None], started: float, pieces: int, complete: Event
    ) -> str | None:
        """The next piece, None at the end; the waits are ours because a slow drip defeats a socket's time-out.

        What was complete in time may be read later.
        """
        settings = self._settings
        limit = settings.total_timeout if pieces else min(settings.first_token_timeout, settings.total_timeout)
        left = started + limit - time.monotonic()
        try:
            if left <= 0 and not complete.is_set():
                raise queue.Empty  # whatever waits there: a fast and endless reply would never be late
            piece = arrived.get(timeout=max(left, 0))
        except queue.Empty:
            what = "was not complete" if pieces else "had not begun"
            raise OutageError(f"{self._name}: the answer {what} after {limit:g} s") from None
        if isinstance(piece, Exception):
            raise OutageError(f"{self._name}: {self._explain(piece)}") from None  # the cause may hold the key
        return piece

    def _pump(
        self,
        messages: Sequence[dict[str, str]],
        arrived: queue.SimpleQueue[str | Exception | None],
        stop: Event,
        complete: Event,
    ) -> None:
        ends = time.monotonic() + self._settings.total_timeout
        try:
            for piece in self._pieces(messages, stop):
                arrived.put(piece)
        except Exception as error:  # whatever it is must reach the caller, who would wait for nothing
            arrived.put(error)
        else:
            arrived.put(None)
            if time.monotonic() <= ends:
                complete.set()

    def _pieces(self, messages: Sequence[dict[str, str]], stop: Event) -> Iterator[str]:
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
            received = takewhile(lambda _: not stop.is_set(), response.iter_bytes())
            yield from texts_of(response, received, settings.max_tokens)

    def _explain(self, error: Exception) -> str:
        if isinstance(error, EndpointError):
            return error.what.format(repr(" ".join(self._hidden(error.sent).split())[:SHOWN]))
        verb = "cannot be reached" if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) else "failed"
        return f"{verb} ({type(error).__name__}: {self._hidden(str(error))})"

    def _hidden(self, text: str) -> str:
        return hide(text, self._secrets)


def _secrets(settings: EndpointSettings) -> frozenset[str]:
    """What an endpoint may echo and no message may tell."""
    login = urlsplit(settings.base_url)
    user, password = unquote(login.username or ""), unquote(login.password or "")
    basic = base64.b64encode(f"{user}:{password}".encode()).decode() if user or password else ""
    plain = {settings.api_key, login.password or "", password, basic} - {""}
    return frozenset(plain | {one.replace("/", "\\/") for one in plain})  # as some write JSON
