"""An attempt passes on how far its work is, the last report of several in one moment included."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.jobs.attempt import Attempt
from api.jobs.kinds import TASKS
from api.jobs.tasks import Report, Task
from api.knowledge_base import KnowledgeBase
from api.wire.jobs import NoArguments
from infra.settings import Settings
from retrieval.catalog.jobs import JobRecord
from retrieval.errors import InvalidInputError

SECONDS = 30.0  # for another thread's step


class Hasty:
    """Reports five steps in one moment; then nothing is heard of it until `leave`, and it may fail."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.reported, self.leave, self.fails = threading.Event(), threading.Event(), False
        kb.catalog.jobs.create("hasty", "", {})
        job = kb.catalog.jobs.claim("here:1:a", ["hasty"])
        assert job is not None
        self.job = job

    def run(self, kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
        for step in range(5):
            report(step, 5)
        self.reported.set()
        assert self.leave.wait(SECONDS)
        if self.fails:
            raise InvalidInputError("no more")
        return {}


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as opened:
        yield opened


@pytest.fixture
def hasty(kb: KnowledgeBase) -> Iterator[Hasty]:
    made = Hasty(kb)
    TASKS.register("hasty", lambda: Task(made.run, NoArguments, needs_collection=False), "for this test")
    yield made
    TASKS.unregister("hasty")


def stored(kb: KnowledgeBase, hasty: Hasty) -> JobRecord:
    return kb.catalog.jobs.get(hasty.job.id)


def test_a_report_that_came_too_soon_is_told_by_the_next_heartbeat(kb: KnowledgeBase, hasty: Hasty) -> None:
    attempt = Attempt(kb, hasty.job, lambda: False)
    work = threading.Thread(target=attempt.run)
    work.start()
    assert hasty.reported.wait(SECONDS)
    attempt.beat()
    told = stored(kb, hasty)
    attempt.beat()
    again = stored(kb, hasty)
    hasty.leave.set()
    work.join()
    assert (told.done, told.total) == (4, 5)
    assert again.updated_at == told.updated_at, "nothing new is nothing written"
    assert stored(kb, hasty).state.value == "succeeded"


def test_a_failed_job_shows_how_far_it_came(kb: KnowledgeBase, hasty: Hasty) -> None:
    hasty.fails = True
    hasty.leave.set()
    assert Attempt(kb, hasty.job, lambda: False).run() == "failed"
    assert (stored(kb, hasty).done, stored(kb, hasty).error) == (4, "no more")
