"""Tells the broker which jobs are queued."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from api.knowledge_base import KnowledgeBase

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)

RESEND_SECONDS = 120.0  # a job still queued after that is told of again: a broker may have forgotten


def send_unsent(kb: KnowledgeBase, app: Celery) -> int:
    """How many queued jobs the broker was told of; the others wait for the next time."""
    from kombu.exceptions import OperationalError

    sent = 0
    for job in kb.catalog.jobs.unsent(RESEND_SECONDS):
        try:
            app.send_task("kb.run_job", (job.id,), retry=False, ignore_result=True)
        except (OperationalError, OSError) as error:
            logger.warning("job %s waits: the broker cannot be reached (%s); sent again soon", job.id, error)
            break
        kb.catalog.jobs.mark_sent(job)
        sent += 1
    return sent
