"""Asks ten times a second for rows that changed, and judges the age of everything that comes back."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from .history import MARK, History

PER_SECOND = 10.0
COLLECTION = "shop"
EXAMPLES = 20
STRICT = "searches that anything out of date would have failed"


@dataclass
class Calm:
    """The moments at which every server was up and a row written after its return had been found."""

    faults: list[tuple[float, float]] = field(default_factory=list)  # begin, end; infinite: not over
    since: float = field(default_factory=time.monotonic)

    def began(self) -> None:
        self.faults.append((time.monotonic(), float("inf")))

    def ended(self) -> None:
        self.faults[-1] = (self.faults[-1][0], time.monotonic())

    def through(self, since: float, until: float) -> bool:
        """Whether nothing was wrong between."""
        return all(end < since or begin > until for begin, end in list(self.faults))

    def lasts(self, at: float) -> float:
        """Seconds since the last fault was over, or since the beginning; below 0 during one."""
        return at - max([self.since, *(end for begin, end in list(self.faults) if begin <= at)])

    def age(self, since: float, at: float) -> float:
        """Seconds from `since` to `at`, counted from the end of the last fault where one was between."""
        ends = [end for begin, end in list(self.faults) if end >= since and begin <= at]
        return at - max([since, *ends])


@dataclass
class Searcher:
    """Finds wrong answers: a version that was replaced or deleted longer ago than the bound, or rolled back."""

    client: httpx.Client
    history: History
    calm: Calm
    bound: float  # seconds
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    oldest: float = 0.0  # seconds by which the oldest answer in calm was out of date
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        dice = random.Random(self.seed)
        while not self.stop.is_set():
            began = time.monotonic()
            if subjects := list(self.history.commits):
                recent = subjects[-200:] if dice.random() < 0.5 else subjects
                self.search(dice.choice(recent))
            self.stop.wait(max(0.0, 1 / PER_SECOND - (time.monotonic() - began)))

    def search(self, subject: int) -> None:
        """One search, judged."""
        began = time.monotonic()
        expected = self.history.latest(subject)
        found = self.ask(subject)
        self.counts["searches"] += 1
        self.counts[STRICT] += self.calm.lasts(began) > self.bound
        if found is None:
            self.counts["searches not answered"] += 1
            if self.calm.through(began, time.monotonic()):
                self._blame(f"a search for subject {subject} was not answered while all servers were up")
            return
        self.counts["degraded searches"] += bool(found["degraded"])
        texts = [hit["title"] + "\n" + hit["text"] for hit in found["hits"]]
        for seen, version in {(int(s), int(v)) for text in texts for s, v in MARK.findall(text)}:
            self._judge(seen, version, began)
        there = any(f"subject{subject}word " in text for text in texts)
        if expected is not None and expected.alive and not there and self.calm.age(expected.at, began) > self.bound:
            latest = self.history.latest(subject)
            if latest == expected and not self._only_joined(subject):
                age = self.calm.age(expected.at, began)
                self._blame(f"subject {subject} at version {expected.version} was not found {age:.1f} s later")

    def ask(self, subject: int) -> dict[str, Any] | None:
        """The answer; None where there was none."""
        body = {"query": f"subject{subject}word", "collection": COLLECTION, "top_k": 20}
        try:
            answer = self.client.post("/search", json=body, timeout=15)
        except httpx.HTTPError:
            return None
        return dict(answer.json()) if answer.status_code == 200 else None

    def _only_joined(self, subject: int) -> bool:
        return subject in self.history.joined

    def _judge(self, subject: int, version: int, began: float) -> None:
        if self.history.was_rolled_back(subject, version):
            self._blame(f"subject {subject} was shown at version {version}, which was rolled back")
        since = self.history.out_of_date_since(subject, version)
        if since is None:
            return
        age = self.calm.age(since, began)
        self.counts["answers behind the database"] += age > 0
        self.oldest = max(self.oldest, age)
        if age > self.bound:
            self._blame(f"subject {subject} was shown at version {version}, {age:.1f} s after it was replaced")

    def _blame(self, what: str) -> None:
        self.counts["wrong"] += 1
        if len(self.wrong) < EXAMPLES:
            self.wrong.append(what)
