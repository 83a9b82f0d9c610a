"""What a Celery worker does with a message: claim the job in the catalog and run it, under a heartbeat."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from api.jobs.attempt import Attempt
from api.jobs.defaults import make_default_schedules
from api.jobs.heart import Heart
from api.jobs.identity import this_process
from api.jobs.kinds import kinds
from api.jobs.observer import Observer, Unobserved
from api.jobs.sending import send_unsent
from api.jobs.ticking import tick
from api.knowledge_base import KnowledgeBase
from infra.logs import set_up_logging
from infra.settings import Settings
from retrieval.errors import OutageError

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)


class CeleryWorker:
    """The tasks of one worker process. The knowledge base is opened by the first of them, after any fork."""

    def __init__(self, app: Celery, settings: Settings, observer: Observer | None = None) -> None:
        self._app = app
        self._settings = settings
        self._observer = observer or Unobserved()
        self._opening = threading.Lock()
        self._stopping = threading.Event()
        self._kb: KnowledgeBase | None = None
        self._heart: Heart | None = None

    def run_job(self, job_id: str) -> None:
        """Run the job unless it has ended, runs already, or waits for a worker that knows its kind."""
        kb, heart = self._open()
        if self._stopping.is_set():  # Celery takes messages for up to a second after it was told to stop
            kb.catalog.jobs.mark_unsent(job_id)
            logger.info("job %s stays queued for another worker: this one stops", job_id)
            return
        job = kb.catalog.jobs.claim(this_process(), kinds(), job_id)
        if job is None:
            logger.info("job %s is not to be run here: it ended, runs already, or is of a kind unknown here", job_id)
            return
        attempt = Attempt(kb, job, self._stopping.is_set)
        with heart.watching(attempt):
            attempt.run(self._observer)

    def tick(self) -> None:
        """Look at the clock once, and tell the broker what it does not know of."""
        kb, _ = self._open()
        try:
            make_default_schedules(kb)
            tick(kb)
            self._observer.looked()
            send_unsent(kb, self._app)
        except OutageError as error:
            logger.warning("schedules and lost jobs wait: %s; looked at again soon", error)

    def listen(self) -> None:
        """Hear of the worker's end: running jobs are put back, and what was opened is closed."""
        from celery import signals

        signals.setup_logging.connect(self._set_up_logging, weak=False)
        signals.worker_shutting_down.connect(self._begin_to_stop, weak=False)
        signals.worker_shutdown.connect(self._close, weak=False)
        signals.worker_process_shutdown.connect(self._close, weak=False)

    def _open(self) -> tuple[KnowledgeBase, Heart]:
        with self._opening:
            if self._kb is None or self._heart is None:
                self._kb, self._heart = KnowledgeBase.open(self._settings), Heart()
            return self._kb, self._heart

    def _set_up_logging(self, **_: Any) -> None:
        set_up_logging(self._settings)  # that somebody listens keeps Celery from setting up its own

    def _begin_to_stop(self, **_: Any) -> None:
        self._stopping.set()

    def _close(self, **_: Any) -> None:
        self._stopping.set()
        with self._opening:
            if self._heart is not None:
                self._heart.close()
            if self._kb is not None:
                self._hand_over(self._kb)
                self._kb.close()
            self._kb = self._heart = None

    def _hand_over(self, kb: KnowledgeBase) -> None:
        """Tell the broker of what was put back or not begun here, so that it waits for no look at the clock."""
        try:
            send_unsent(kb, self._app)
        except OutageError as error:
            logger.warning("queued jobs wait until schedules are looked at: %s", error)
