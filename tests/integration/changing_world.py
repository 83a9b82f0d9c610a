"""A collection under change: one thread writes and deletes, another searches 50 times a second and checks each answer.

The oracle is a dict of what was acknowledged. A search may show that or something newer, never something older.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from api.knowledge_base import KnowledgeBase
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Deletion, Document

DOCUMENTS = 60
SEARCHES_PER_SECOND = 50
PARAGRAPH = "The pump of this station moves water through a pipe of steel and a valve opens or closes it. " * 8


def text_of(number: int, version: int) -> str:
    """A document whose first and last paragraph name its subject and version."""
    mark = f"subject{number}word is at release{number}x{version}."
    return f"{mark}\n\n{PARAGRAPH}\n\n{PARAGRAPH}\n\nAt the end {mark}"


@dataclass
class World:
    """The oracle and the two threads."""

    kb: KnowledgeBase
    collection: str
    seed: int = 0
    wrong: list[str] = field(default_factory=list)
    searches: int = 0
    writes: int = 0
    _known: dict[int, int] = field(default_factory=dict)  # number -> acknowledged version; 0: deleted
    _under_way: set[int] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def fill(self) -> None:
        """The first version of every document."""
        documents = [Document(f"d{n}", text_of(n, 1), f"station {n}") for n in range(DOCUMENTS)]
        self.kb.write(self.collection, documents, wait=True)
        self._known = dict.fromkeys(range(DOCUMENTS), 1)

    def during(self, act: Callable[[], None]) -> None:
        """Do something while both threads work; what they found wrong is in `wrong`."""
        threads = [threading.Thread(target=self._guarded, args=(run,)) for run in (self._write, self._search)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        try:
            act()
            time.sleep(0.7)  # whoever must notice the switch has noticed it
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            self._stop = threading.Event()

    def living(self) -> dict[str, str]:
        """What the catalog must hold now: key -> text."""
        return {f"d{n}": text_of(n, version) for n, version in self._known.items() if version}

    def _guarded(self, run: Callable[[random.Random], None]) -> None:
        dice = random.Random(self.seed)
        while not self._stop.is_set():
            try:
                run(dice)
            except Exception as error:  # whatever it is, the test must tell it
                self.wrong.append(f"{run.__name__}: {error!r}")
                return

    def _write(self, dice: random.Random) -> None:
        number = dice.randrange(DOCUMENTS)
        with self._guard:
            version = abs(self._known[number]) + 1 if self._known[number] else self.writes + 2
            self._under_way.add(number)
        if dice.random() < 0.2:
            version = 0
        change = Deletion(f"d{number}") if not version else Document(f"d{number}", text_of(number, version), "station")
        self.kb.write(self.collection, [change], wait=True)
        with self._guard:
            self._known[number] = version
            self._under_way.discard(number)
        self.writes += 1

    def _search(self, dice: random.Random) -> None:
        began = time.monotonic()
        number = dice.randrange(DOCUMENTS)
        with self._guard:
            known, uncertain = self._known[number], number in self._under_way
        found = self.kb.search(self.collection, SearchRequest(f"subject{number}word", 20, group_by="chunk"), OPERATOR)
        with self._guard:
            unchanged = not uncertain and self._known[number] == known and number not in self._under_way
        self._check(number, known, unchanged, [hit.chunk.text for hit in found.hits if hit.chunk.key == f"d{number}"])
        self.searches += 1
        self._stop.wait(max(0.0, 1 / SEARCHES_PER_SECOND - (time.monotonic() - began)))

    def _check(self, number: int, known: int, unchanged: bool, texts: list[str]) -> None:
        marked = [text for text in texts if f"subject{number}word" in text]
        if not unchanged:
            return
        if not known and texts:
            self.wrong.append(f"d{number} was deleted, and was found")
        if known and not marked:
            self.wrong.append(f"d{number} at version {known} was not found")
        self.wrong += [
            f"d{number} is at version {known}: {text[:60]}"
            for text in marked
            if f"release{number}x{known}." not in text
        ]
