"""Jobs in this process: a few threads that take them from the catalog, whoever put them there."""

from __future__ import annotations

import logging
import threading
from typing import Any

from api.jobs.attempt import Attempt
from api.jobs.heart import Heart
from api.jobs.identity import this_process
from api.jobs.kinds import kinds
from api.jobs.observer import Observer, Unobserved
from api.jobs.ticking import Ticker
from api.knowledge_base import KnowledgeBase
from retrieval.catalog.jobs import JobRecord
from retrieval.errors import OutageError

logger = logging.getLogger(__name__)

THREADS = 2  # jobs at once
LOOK_SECONDS = 1.0  # between two looks for a job that another process put there; this one's own are told at once


class EmbeddedJobs:
    """Runs the catalog's queued jobs until `close`, which leaves what was running to the next process."""

    def __init__(self, kb: KnowledgeBase, observer: Observer | None = None) -> None:
        self._kb = kb
        self._observer = observer or Unobserved()
        self._closing = threading.Event()
        self._work = threading.Condition()
        self._news = 0  # how often there was a reason to look
        self._ticker = Ticker(kb, self._look_again, self._observer)
        self._threads = [
            threading.Thread(target=self._run, name=f"job-{number}", daemon=True) for number in range(THREADS)
        ]
        self._heart: Heart | None = None

    def start(self) -> None:
        """Begin to take jobs."""
        self._heart = Heart()
        self._ticker.start()
        for thread in self._threads:
            thread.start()

    def submit(self, kind: str, collection: str, arguments: dict[str, Any]) -> JobRecord:
        """Queue a job with checked arguments; its record."""
        job = self._kb.catalog.jobs.create(kind, collection, arguments)
        self._look_again()
        return job

    def nudge(self) -> None:
        """Look for jobs now: one was queued."""
        self._look_again()

    def close(self) -> None:
        """Take no more jobs, and return when the running ones have stopped at their next report."""
        self._closing.set()
        self._look_again()
        self._ticker.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        if self._heart is not None:
            self._heart.close()

    def _look_again(self) -> None:
        with self._work:
            self._news += 1
            self._work.notify_all()

    def _run(self) -> None:
        while not self._closing.is_set():
            seen = self._news
            try:
                if self._run_one():
                    continue
            except OutageError as error:
                logger.warning("jobs wait for the catalog: %s; looked at again in %g s", error, LOOK_SECONDS)
            except Exception:  # a thread that died here would leave every later job queued
                logger.exception("no job could be taken; tried again in %g s", LOOK_SECONDS)
            with self._work:
                if self._news == seen:
                    self._work.wait(LOOK_SECONDS)

    def _run_one(self) -> bool:
        job = self._kb.catalog.jobs.claim(this_process(), kinds())
        if job is None:
            return False
        assert self._heart is not None, "start() comes first"
        attempt = Attempt(self._kb, job, self._closing.is_set)
        with self._heart.watching(attempt):
            attempt.run(self._observer)
        return True
