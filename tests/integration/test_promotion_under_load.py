"""Promote, roll out, advance, roll back while 50 searches a second run and documents change.

No request fails, each answer is what the plan it names gives, a session keeps to its plan, a change is found at once.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from rollout_world import MEANING, OLD, SUBJECTS, WORDS, Going, going, keys_of
from served import in_process, on_port

from api.sources.opening import open_source
from retrieval.filters import parse_filter
from retrieval.plan import Plan
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR

RATE = 50  # searches a second
CLIENTS = 8
SESSIONS = 24
STEP_SECONDS = 1.5  # between two steps
MAPPING = """
tables:
  public.faqs:
    title: question
    body: "{answer}"
"""


@dataclass(frozen=True)
class Seen:
    """One answer: when it was asked for and came, whose, for what, by which plan and arm, the keys."""

    asked: float
    came: float
    session: str
    subject: str
    plan: str
    arm: str
    keys: list[str]


@dataclass
class Load:
    """Searches at a steady rate, as far as the machine keeps up; those of a session one after the other."""

    url: str
    headers: dict[str, str]
    seen: list[Seen] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def client(self, number: int) -> None:
        began = time.monotonic()
        with httpx.Client(base_url=self.url, headers=self.headers, timeout=60.0) as http:
            for turn in count():
                time.sleep(max(0.0, began + turn * CLIENTS / RATE - time.monotonic()))
                if self.ended.is_set():
                    return
                self._ask(http, f"session-{number + CLIENTS * (turn % (SESSIONS // CLIENTS))}", SUBJECTS[turn % 6])

    def _ask(self, http: httpx.Client, session: str, subject: str) -> None:
        body = {"query": subject, "collection": "docs", "filter": OLD, "top_k": 6, "highlight": False}
        asked = time.monotonic()
        try:
            answer = http.post("/v1/search", json=body, headers={"X-Session-Id": session})
        except httpx.HTTPError as error:
            self.failed.append(repr(error))
            return
        if answer.status_code != 200:
            self.failed.append(answer.text)
            return
        found = answer.json()
        came, arm = time.monotonic(), found.get("arm", "")
        self.seen.append(Seen(asked, came, session, subject, found["plan"], arm, keys_of(found)))


class Changes:
    """Documents that come while searches run, by REST and as change events; each must be found by the next search."""

    def __init__(self, world: Going, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self._numbers = count(1)
        self.found_by: list[str] = []
        (folder / "mapping.yaml").write_text(MAPPING)

    def by_rest(self) -> None:
        word = f"freshword{_letters(next(self._numbers))}"
        path = f"/v1/collections/docs/documents/{word}?wait_for=searchable"
        body = {"text": f"{word} came just now", "metadata": {"age": "new"}}
        answer = self._world.served.client.put(path, json=body, headers=self._world.admin)
        assert answer.status_code == 200, answer.text
        self._check(word, word)

    def by_event(self) -> None:
        number = next(self._numbers)
        word, file = f"freshrow{_letters(number)}", self._folder / f"events{number}.jsonl"
        row = {"id": number, "question": f"What is {word}?", "answer": f"{word} is a row"}
        source = {"connector": "postgresql", "name": "shop", "schema": "public", "table": "faqs", "lsn": number}
        value = {"op": "c", "before": None, "after": row, "source": source | {"ts_ms": number}, "ts_ms": number}
        file.write_text(json.dumps({"key": {"id": number}, "value": value}) + "\n")
        kb = self._world.served.kb
        opened = open_source(kb, "docs", str(file), "shop", "debezium", self._folder / "mapping.yaml")
        report = kb.ingest("docs", opened.source, rows=opened.rows)
        assert report.failed == 0, report
        self._check(word, f"public.faqs/{number}")

    def _check(self, word: str, key: str) -> None:
        for session in ("session-0", "session-1", "session-2"):
            result = self._world.search(word, session)
            assert keys_of(result)[0] == key, (word, result["plan"])
            self.found_by.append(result["plan"])


def _letters(number: int) -> str:
    """Letters only: numbers are searched in parts."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:04}") * 2


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Going]:
    with in_process(tmp_path / "kb") as opened:
        yield going(opened)


def expected(world: Going, plan: Plan) -> dict[str, list[str]]:
    """Subject -> the keys that this plan gives, asked one after the other in peace."""
    condition = parse_filter(OLD)
    found = {}
    for subject in SUBJECTS:
        request = SearchRequest(subject, 6, condition, highlight=False)
        result = world.served.kb.search("docs", request, OPERATOR, plan=plan)
        found[subject] = [hit.chunk.key for hit in result.hits]
    return found


def test_plans_are_exchanged_under_load(world: Going, tmp_path: Path) -> None:
    answers = {plan.digest: expected(world, plan) for plan in (WORDS, MEANING)}
    assert answers[WORDS.digest] != answers[MEANING.digest]
    changes = Changes(world, tmp_path)
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("meaning serves", lambda: None),
        ("promote", lambda: world.post(f"/plans/{world.words}/promote")),
        ("roll back", lambda: world.post("/plans:rollback")),
        ("shadow", lambda: world.post(f"/plans/{world.words}/rollout", share=1.0)),
        ("canary", lambda: world.post("/plans/rollout:advance", share=0.4)),
        ("larger", lambda: world.post("/plans/rollout:advance", share=0.8)),
        ("full", lambda: world.post("/plans/rollout:advance")),
        ("stop", lambda: world.post("/plans/rollout:stop")),
    ]
    spans: dict[str, tuple[float, float]] = {}
    with on_port(world.served) as url, ThreadPoolExecutor(CLIENTS) as pool:
        load = Load(url, world.admin)
        clients = [pool.submit(load.client, number) for number in range(CLIENTS)]
        try:
            for name, step in steps:
                answer = step()
                assert answer is None or answer.is_success, (name, answer.text)
                began = time.monotonic()
                changes.by_rest()
                changes.by_event()
                time.sleep(max(0.0, began + STEP_SECONDS - time.monotonic()))
                spans[name] = began, time.monotonic()
        finally:
            load.ended.set()
        for client in clients:
            client.result(60)
    check(load, spans, answers, changes)


def check(
    load: Load, spans: dict[str, tuple[float, float]], answers: dict[str, dict[str, list[str]]], changes: Changes
) -> None:
    assert load.failed == []
    assert len(load.seen) > 100
    for one in load.seen:
        assert one.keys == answers[one.plan][one.subject], one
    within = {
        name: [one for one in load.seen if one.asked > began and one.came < ended]
        for name, (began, ended) in spans.items()
    }
    served_by = {name: {(one.session, one.plan) for one in found} for name, found in within.items()}
    for name in ("meaning serves", "roll back", "shadow", "stop"):
        assert {plan for _, plan in served_by[name]} <= {MEANING.digest}, name
    for name in ("promote", "full"):
        assert {plan for _, plan in served_by[name]} <= {WORDS.digest}, name
    for name in ("canary", "larger"):
        sessions = [session for session, _ in served_by[name]]
        assert len(sessions) == len(set(sessions)), f"a session saw both plans during {name}"
    chosen = {session for session, plan in served_by["canary"] if plan == WORDS.digest}
    kept = {session for session, plan in served_by["larger"] if plan == WORDS.digest}
    assert not chosen & {session for session, _ in served_by["larger"]} - kept
    assert {one.arm for one in load.seen} >= {"", "serving", "candidate"}
    assert set(changes.found_by) == {WORDS.digest, MEANING.digest}
