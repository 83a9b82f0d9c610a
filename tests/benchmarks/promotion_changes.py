"""Documents that change while plans and generations are exchanged; each change must be found by the next search."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from retrieval.plan import FusionMethod
from tests.benchmarks.corpora import synthetic
from tests.benchmarks.machine import SEED
from tests.benchmarks.promotion_judge import FoundChange
from tests.benchmarks.promotion_world import PLANS
from tests.benchmarks.serving import COLLECTION

KEYS = 20  # documents that change in turns; they are there before
READERS, WRITERS = "readers", "writers"  # the load may not read what changes: what it finds stays the same
WORDS = 30  # of a text, made up: the statistics of those that the load searches for hardly move
LEFT_OUT = 3  # one of so many words of a text is not searched for
PAUSE_SECONDS = 0.2  # after each change and its search


@dataclass(frozen=True, slots=True)
class Change:
    """A text written and searched for: when it was searchable, and what the very next search found."""

    written: float
    came: float
    key: str
    text: str
    query: str
    answer: dict[str, Any]

    @property
    def found(self) -> FoundChange:
        """As the judge takes it: a hit counts where it is the document as it was written."""
        plan, hits = self.answer["plan"], self.answer["hits"]
        ours = [hit for hit in hits if (hit["key"], hit["text"]) == (self.key, self.text)]
        cosines = [None if (leg := hit["explain"]["dense"]) is None else leg["score"] for hit in [*ours, *hits[-1:]]]
        by_vectors = PLANS[plan].fusion is FusionMethod.DENSE
        last = cosines[-1] if by_vectors and hits else None
        return FoundChange(self.written, self.came, plan, bool(ours), cosines[0] if ours else None, last)


@dataclass
class Changes:
    """One change after the other in a thread."""

    client: httpx.Client
    made: list[Change] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def prepare(self) -> None:
        """Write each document once."""
        for number in range(KEYS):
            self._write(number)

    def run(self) -> None:
        """Until `end`. Raises what HTTP raises."""
        number = KEYS
        while not self._ended.wait(PAUSE_SECONDS):
            self.made.append(self._change(number))
            number += 1

    def end(self) -> None:
        """Let the change under way be the last."""
        self._ended.set()

    def _change(self, number: int) -> Change:
        key, text, query = self._write(number)
        written = time.time()
        body = {"query": query, "collection": COLLECTION, "correct": False, "explain": True}
        answer = self.client.post("/v1/search", json=body, headers={"X-Session-Id": "writer"}).raise_for_status()
        return Change(written, time.time(), key, text, query, answer.json())

    def _write(self, number: int) -> tuple[str, str, str]:
        """Key, text, and a query that is most of the text: its cosine is below 1, and the encoder's own."""
        key, word = f"changing-{number % KEYS}", f"freshword{_letters(number)}"
        (drawn,) = synthetic(1, WORDS, SEED + number)
        text = f"{word} {drawn['text']}"
        path = f"/v1/collections/{COLLECTION}/documents/{key}?wait_for=searchable"
        self.client.put(path, json={"text": text, "acl": [WRITERS]}).raise_for_status()
        words = text.split()
        return key, text, " ".join(words[: len(words) - len(words) // LEFT_OUT])


def _letters(number: int) -> str:
    """Letters only: numbers are searched in parts."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:05}")
