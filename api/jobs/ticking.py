"""The clock of jobs: what is due becomes a job, what dead processes left behind is queued again.

Any number of processes may tick; the catalog lets each thing happen once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from api.jobs.defaults import make_default_schedules
from api.jobs.identity import is_gone
from api.jobs.observer import Observer, Unobserved
from api.knowledge_base import KnowledgeBase
from retrieval.catalog.jobs import JobState
from retrieval.errors import OutageError

logger = logging.getLogger(__name__)

TICK_SECONDS = 10.0  # a third of the silence after which a process counts as dead


def tick(kb: KnowledgeBase) -> int:
    """How many jobs wait to be run because of it."""
    taken = kb.catalog.jobs.take_back(is_gone)
    for job in taken:
        logger.warning("job %s (%s) lost its process and is %s", job.id, job.kind, job.state.value)
    return sum(job.state is JobState.QUEUED for job in taken) + len(kb.catalog.schedules.start_due())


class Ticker:
    """A thread that ticks at once, then every so many seconds and whenever it is nudged; `then` runs after each."""

    def __init__(self, kb: KnowledgeBase, then: Callable[[], None], observer: Observer | None = None) -> None:
        self._kb = kb
        self._then = then
        self._observer = observer or Unobserved()
        self._nudged = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="job-clock", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def nudge(self) -> None:
        """Tick now."""
        self._nudged.set()

    def close(self) -> None:
        """Tick no more."""
        self._closing = True
        self._nudged.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        has_defaults = False
        while not self._closing:
            try:
                has_defaults = has_defaults or make_default_schedules(self._kb)
                tick(self._kb)
                self._observer.looked()
                self._then()
            except OutageError as error:
                logger.warning("schedules and lost jobs wait: %s; looked at again in %g s", error, TICK_SECONDS)
            except Exception:  # the clock must not stop silently: nothing scheduled would ever run again
                logger.exception("schedules and lost jobs were not looked at; tried again in %g s", TICK_SECONDS)
            self._nudged.wait(TICK_SECONDS)
            self._nudged.clear()  # and not before the tick: a nudge, or the end, that came meanwhile would be lost
