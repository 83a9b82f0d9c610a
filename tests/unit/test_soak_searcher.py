"""The judge of the soak test blames what is out of date, lost or rolled back, and excuses what a fault explains."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from soak.history import Commit, History, mark
from soak.searcher import STRICT, Calm, Searcher

BOUND = 5.0
NOW = time.monotonic()


class Told(Searcher):
    """Is told what a search found."""

    shown: tuple[int, ...] = ()  # versions of subject 1

    def ask(self, subject: int) -> dict[str, Any] | None:
        hits = [{"title": mark(1, version), "text": ""} for version in self.shown]
        return {"degraded": [], "hits": hits}


def judged(*shown: int, replaced: float, faults: tuple[tuple[float, float], ...] = ()) -> Told:
    """After a search that showed these versions; version 1 was replaced so many seconds ago, version 9 rolled back."""
    history = History()
    history.committed(1, Commit(1, NOW - 100.0, True))
    history.committed(1, Commit(2, time.monotonic() - replaced, True))
    history.rolled_back(1, 9)
    calm = Calm([(time.monotonic() - begin, time.monotonic() - end) for begin, end in faults], NOW - 100.0)
    searcher = Told(httpx.Client(), history, calm, BOUND)
    searcher.shown = shown
    searcher.search(1)
    return searcher


@pytest.mark.parametrize(
    ("shown", "replaced", "faults", "blamed", "strict"),
    [
        ((2,), 20.0, (), "", 1),
        ((1,), 20.0, (), "shown at version 1, 20.", 1),
        ((1,), 3.0, (), "", 1),
        ((), 20.0, (), "version 2 was not found", 1),
        ((2, 9), 20.0, (), "rolled back", 1),
        ((1,), 20.0, ((30.0, 10.0),), "shown at version 1, 10.", 1),
        ((1,), 20.0, ((30.0, 3.0),), "", 0),
        ((1,), 20.0, ((3.0, -100.0),), "", 0),
    ],
    ids=["newest", "old", "just replaced", "lost", "rolled back", "long after", "just after", "during a fault"],
)
def test_what_is_blamed(
    shown: tuple[int, ...], replaced: float, faults: tuple[tuple[float, float], ...], blamed: str, strict: int
) -> None:
    searcher = judged(*shown, replaced=replaced, faults=faults)
    assert bool(searcher.wrong) is bool(blamed) and all(blamed in one for one in searcher.wrong), searcher.wrong
    assert searcher.counts[STRICT] == strict
