"""Jobs on Celery's workers: the catalog keeps them, a broker carries the news."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.jobs.observer import Observer
from api.jobs.sending import send_unsent
from api.jobs.ticking import Ticker
from api.knowledge_base import KnowledgeBase
from retrieval.catalog.jobs import JobRecord

if TYPE_CHECKING:
    from celery import Celery


class CeleryJobs:
    """Queues jobs for workers elsewhere. A broker that does not answer delays them and holds up no caller."""

    def __init__(self, kb: KnowledgeBase, app: Celery, observer: Observer | None = None) -> None:
        self._kb = kb
        self._app = app
        self._ticker = Ticker(kb, self._send, observer)

    def start(self) -> None:
        """Begin to look at the clock and to tell the broker."""
        self._ticker.start()

    def submit(self, kind: str, collection: str, arguments: dict[str, Any]) -> JobRecord:
        """Queue a job with checked arguments; its record."""
        job = self._kb.catalog.jobs.create(kind, collection, arguments)
        self._ticker.nudge()
        return job

    def nudge(self) -> None:
        """A job was queued by somebody else: tell the broker soon."""
        self._ticker.nudge()

    def close(self) -> None:
        """Tell no more; the jobs go on elsewhere."""
        self._ticker.close()
        self._app.close()

    def _send(self) -> None:
        send_unsent(self._kb, self._app)
