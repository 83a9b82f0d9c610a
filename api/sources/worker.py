"""A worker over an open knowledge base: what it writes into, and whom it tells."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.knowledge_base import KnowledgeBase
from api.sources.run_log import RunLog
from api.telemetry.worker_traces import WorkerTraces
from infra.settings import SettingsError
from infra.telemetry import Traces
from ingest.kafka.consumer import GroupConsumer
from ingest.kafka.observer import Observer, Unobserved
from ingest.kafka.timed_encoder import TimedEncoder
from ingest.kafka.worker import Worker
from ingest.pipeline import Pipeline
from ingest.targets import LiveTargets
from retrieval.catalog import Collection
from retrieval.contracts import Encoder
from retrieval.errors import NotFoundError

logger = logging.getLogger(__name__)

END_SECONDS = 30.0  # for the batch under way when the server stops


class Pipelines:
    """The pipeline of each collection; no view is opened for it. Its generations are read again when they change."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self._made: dict[int, Pipeline] = {}
        self._timed: dict[str, TimedEncoder] = {}

    def of(self, collection_id: int) -> Pipeline:
        """The pipeline of that collection. Raises `NotFoundError` when it was dropped, `OutageError`."""
        if collection_id not in self._made:
            record = self._record(collection_id)
            targets = LiveTargets(self._kb.catalog, collection_id, self._open)
            self._made[collection_id] = Pipeline(self._kb.catalog, record, targets)
        return self._made[collection_id]

    def _record(self, collection_id: int) -> Collection:
        for record in self._kb.catalog.collections.all():
            if record.id == collection_id:
                return record
        raise NotFoundError(f"collection number {collection_id} was dropped")

    def _open(self, name: str) -> Encoder:
        encoder = self._kb.open_encoder(name)
        known = self._timed.get(name)
        if known is None or known.fingerprint != encoder.fingerprint:
            known = self._timed[name] = TimedEncoder(encoder)
        return known


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
