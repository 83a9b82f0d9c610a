"""A worker over an open knowledge base: what it writes into, and whom it tells."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.knowledge_base import KnowledgeBase
from api.sources.pipelines import Pipelines
from api.sources.run_log import RunLog
from api.telemetry.worker_traces import WorkerTraces
from infra.settings import SettingsError
from infra.telemetry import Traces
from ingest.kafka.consumer import GroupConsumer
from ingest.kafka.observer import Observer, Unobserved
from ingest.kafka.worker import Worker

logger = logging.getLogger(__name__)

END_SECONDS = 30.0  # for the batch under way when the server stops


def open_worker(kb: KnowledgeBase, observer: Observer | None = None, traces: Traces | None = None) -> Worker:
    """A worker of the settings' group and brokers. Raises `SettingsError` where no broker is named."""
    observer = RunLog(kb.catalog, observer or Unobserved())
    if traces is not None:
        observer = WorkerTraces(kb.catalog, traces, observer)
    settings = kb.settings
    if not settings.kafka_bootstrap_servers:
        raise SettingsError(
            "setting kafka_bootstrap_servers (KB_KAFKA_BOOTSTRAP_SERVERS) is empty; expected the brokers to read from, "
            "such as localhost:9092 (`kb stack env` prints those of the stack)"
        )

    def connect() -> GroupConsumer:
        return GroupConsumer(settings.kafka_bootstrap_servers, settings.worker_group)

    return Worker(kb.catalog, Pipelines(kb).of, connect, observer, kb.nudge)


@contextmanager
def worker_thread(worker: Worker) -> Iterator[None]:
    """The worker in a thread of its own inside the `with`; at the end its batch is committed and the group left."""

    def work() -> None:
        try:
            worker.run()
        except Exception:  # a thread's end is nobody's to see
            logger.exception("the worker ended; restart the process, the catalog is safe and no event is lost")

    thread = threading.Thread(target=work, name="worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(END_SECONDS)
