"""Replies of an endpoint, kept by the hash of what was asked: a question costs once, whoever asks it again."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from retrieval.answer.thoughts import Thought
from retrieval.contracts import ChatModel
from search_core.errors import ArtifactError

CHARACTERS_PER_TOKEN = 4.0  # of English; endpoints that stream seldom say how many tokens they took
WIDE_CHARACTERS_PER_TOKEN = 1.5  # of Chinese


class Reply(NamedTuple):
    """What was answered, the seconds that it took, and about how many tokens of thoughts the server left out of it."""

    text: str
    seconds: float
    thoughts: float = 0.0


class Replies:
    """A file of JSON lines, read at the start and added to. Thread-safe. Counts what was asked and what it cost."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._guard = threading.Lock()
        self._known: dict[str, Reply] = {}
        self.asked = 0
        self.saved_seconds = 0.0  # that known replies once took
        self.prompt_tokens = 0.0  # about, of all that was asked for, known or not
        self.completion_tokens = 0.0  # likewise; thoughts included
        self.tokens_paid = 0.0  # about, sent and received, of what was not known yet
        if file.exists():
            with file.open("rb") as stream:
                for line in stream:
                    self._learn(line)

    def get(self, key: str) -> Reply | None:
        """The reply, where it is known."""
        return self._known.get(key)

    def meter(self, asked: str, reply: Reply) -> float:
        """Count what such a reply costs, whoever pays for it; about how many tokens."""
        sent, received = tokens_about(asked), tokens_about(reply.text) + reply.thoughts
        with self._guard:
            self.prompt_tokens += sent
            self.completion_tokens += received
        return sent + received

    def pay(self, tokens: float) -> None:
        """Count one more call of the endpoint that cost so many tokens, whatever came of it."""
        with self._guard:
            self.asked += 1
            self.tokens_paid += tokens

    def add(self, key: str, reply: Reply, tokens: float) -> None:
        """Keep a reply that cost so many tokens. Raises `ArtifactError` where the disk does not take it."""
        body = {"key": key, "reply": reply.text, "seconds": round(reply.seconds, 4)}
        body |= {"thoughts": round(reply.thoughts, 1)} if reply.thoughts else {}
        line = json.dumps(body).encode() + b"\n"
        self.pay(tokens)
        with self._guard:
            self._known[key] = reply
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with self._file.open("a+b") as stream:
                    if stream.seek(0, os.SEEK_END):
                        stream.seek(-1, os.SEEK_END)
                        line = line if stream.read(1) == b"\n" else b"\n" + line  # after one that was cut off
                    stream.write(line)
            except OSError as error:
                raise ArtifactError(
                    f"replies {self._file} cannot be kept: {error.strerror}; free some space"
                ) from error

    def _learn(self, line: bytes) -> None:
        try:
            body = json.loads(line.decode())
            reply = Reply(body["reply"], float(body["seconds"]), float(body.get("thoughts", 0.0)))
            self._known[body["key"]] = reply
        except (ValueError, KeyError, TypeError):
            return  # a line that a killed run did not finish


class RepliesOf:
    """A chat model that is asked only what `replies` does not know; what fails is not kept.

    A reply that breaks off costs what was sent and what had come, thoughts included: an endpoint bills it, and one that
    writes nothing but thoughts until its limit costs more than any other. One that fails before its first word has
    refused or was not reached, and costs nothing but the time.
    """

    def __init__(self, model: ChatModel, name: str, replies: Replies) -> None:
        self._model, self._name, self._replies = model, name, replies

    def stream(self, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        """See `ChatModel.stream`. A known reply comes at once."""
        asked = json.dumps([self._name, *messages], ensure_ascii=False, sort_keys=True)
        key = hashlib.sha256(asked.encode()).hexdigest()
        known = self._replies.get(key)
        said = "\n".join(message["content"] for message in messages)
        if known is not None:
            self._replies.saved_seconds += known.seconds
            self._replies.meter(said, known)
            yield known.text
            return
        began, pieces, thoughts, is_whole = time.perf_counter(), list[str](), list[str](), False
        try:
            for piece in self._model.stream(messages):
                (thoughts if isinstance(piece, Thought) else pieces).append(piece)
                yield piece
            is_whole = True
        finally:  # also where nobody reads on
            reply = Reply("".join(pieces), time.perf_counter() - began, tokens_about("".join(thoughts)))
            tokens = self._replies.meter(said, reply) if is_whole or pieces or thoughts else 0.0
            if not is_whole:
                self._replies.pay(tokens)
        self._replies.add(key, reply, tokens)


def tokens_about(text: str) -> float:
    """About how many tokens a text has."""
    wide = sum(not character.isascii() for character in text)
    return (len(text) - wide) / CHARACTERS_PER_TOKEN + wide / WIDE_CHARACTERS_PER_TOKEN
