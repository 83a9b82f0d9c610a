"""A worker over an open knowledge base: what it writes into, and whom it tells."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from api.knowledge_base import KnowledgeBase
from infra.settings import SettingsError
from ingest.contracts import CHUNKERS
from ingest.kafka.consumer import GroupConsumer
from ingest.kafka.observer import Observer
from ingest.kafka.timed_encoder import TimedEncoder
from ingest.kafka.worker import Worker
from ingest.pipeline import Pipeline
from retrieval.catalog import Collection
from retrieval.errors import ConflictError, NotFoundError, OutageError

logger = logging.getLogger(__name__)

RECORD_SECONDS = 1.0  # how soon a collection's new encoder or chunking is noticed
END_SECONDS = 30.0  # for the batch under way when the server stops


class Pipelines:
    """The pipeline of each collection, made anew when its encoder or chunking changed. No view is opened for it."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self._records: dict[int, Collection] = {}
        self._made: dict[int, tuple[tuple[object, ...], Pipeline]] = {}
        self._read_at = 0.0

    def of(self, collection_id: int) -> Pipeline:
        """The pipeline of that collection. Raises `NotFoundError` when it was dropped, `OutageError`."""
        if collection_id not in self._records or time.monotonic() - self._read_at > RECORD_SECONDS:
            self._records = {record.id: record for record in self._kb.catalog.collections.all()}
            self._read_at = time.monotonic()
        if collection_id not in self._records:
            raise NotFoundError(f"collection number {collection_id} was dropped")
        record = self._records[collection_id]
        shape = (record.encoder, record.encoder_fingerprint, record.settings.chunker, record.settings.chunk_tokens)
        known = self._made.get(collection_id)
        if known is None or known[0] != shape:
            known = self._made[collection_id] = (shape, self._make(record))
        return known[1]

    def _make(self, record: Collection) -> Pipeline:
        encoder = self._kb.open_encoder(record.encoder)
        if encoder.fingerprint != record.encoder_fingerprint:
            raise OutageError(
                f"collection {record.name} was embedded by another state of encoder {record.encoder}: "
                f"run `kb reindex --collection {record.name}`"
            ) from ConflictError(record.name)
        chunker = CHUNKERS.create(record.settings.chunker, max_tokens=record.settings.chunk_tokens)
        return Pipeline(self._kb.catalog, record, TimedEncoder(encoder), chunker)


def open_worker(kb: KnowledgeBase, observer: Observer | None = None) -> Worker:
    """A worker of the settings' group and brokers. Raises `SettingsError` where no broker is named."""
    settings = kb.settings
    if not settings.kafka_bootstrap_servers:
        raise SettingsError(
            "setting kafka_bootstrap_servers (KB_KAFKA_BOOTSTRAP_SERVERS) is empty; expected the brokers to read from, "
            "such as localhost:9092 (`kb stack env` prints those of the stack)"
        )

    def connect() -> GroupConsumer:
        return GroupConsumer(settings.kafka_bootstrap_servers, settings.worker_group)

    return Worker(kb.catalog, Pipelines(kb).of, connect, observer)


@contextmanager
def worker_thread(worker: Worker, failed: Callable[[], None] = lambda: None) -> Iterator[None]:
    """The worker in a thread of its own inside the `with`; at the end its batch is committed and the group left."""

    def work() -> None:
        try:
            worker.run()
        except Exception:  # a thread's end is nobody's to see
            logger.exception("the worker ended; restart the process, the catalog is safe and no event is lost")
            failed()

    thread = threading.Thread(target=work, name="worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(END_SECONDS)
