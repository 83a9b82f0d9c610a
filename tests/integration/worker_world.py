"""A collection, a live source and workers on a real Kafka, for the tests of the worker."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import change_events
import psycopg

from api.knowledge_base import KnowledgeBase
from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker
from infra.settings import load_settings
from infra.stack.stack import Stack
from ingest.kafka.worker import Worker
from retrieval.catalog import Collection
from retrieval.catalog.sources import SourceRecord

PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class World:
    """One collection with one live source, whose topics exist."""

    kb: KnowledgeBase
    servers: str
    collection: Collection
    source: SourceRecord
    prefix: str
    history: change_events.History = field(default_factory=change_events.History)

    @property
    def topic(self) -> str:
        return f"{self.prefix}.public.faqs"

    def send(self, events: object, partition: int | None = None) -> int:
        with change_events.producer(self.servers) as producer:
            return change_events.send(producer, self.prefix, events, partition)  # type: ignore[arg-type]

    def send_raw(
        self,
        key: bytes | None,
        value: bytes | None,
        partition: int = 0,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        with change_events.producer(self.servers) as producer:
            sent = producer.send(self.topic, key=key, value=value, partition=partition, headers=list(headers))
            sent.get(timeout=30)

    def worker(self) -> tuple[Worker, WorkerMetrics]:
        metrics = WorkerMetrics()
        return open_worker(self.kb, metrics), metrics

    @property
    def environment(self) -> dict[str, str]:
        """For `kb worker` in a process of its own."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("KB_")}
        return others | {
            "KB_DATA_DIR": str(self.kb.settings.data_dir),
            "KB_CATALOG_URL": self.kb.settings.catalog_url,
            "KB_KAFKA_BOOTSTRAP_SERVERS": self.servers,
            "KB_WORKER_GROUP": self.kb.settings.worker_group,
        }

    def drain(self) -> WorkerMetrics:
        """Apply everything that Kafka holds."""
        worker, metrics = self.worker()
        worker.run(until_caught_up=True)
        return metrics

    @property
    def documents(self) -> dict[str, tuple[str, str]]:
        keys = self.kb.catalog.documents.keys(self.collection, self.source.name)
        return change_events.documents_of(self.kb.catalog, self.collection, keys)


@contextlib.contextmanager
def world(folder: Path, servers: str, *, partitions: int = 4, **settings: object) -> Iterator[World]:
    """A world in that folder; topics and group have random names."""
    token = secrets.token_hex(4)
    given = {"kafka_bootstrap_servers": servers, "worker_group": f"kb-test-{token}", "data_dir": folder, **settings}
    with KnowledgeBase.open(load_settings(**given)) as kb:
        collection = kb.ensure_collection("shop")
        prefix = f"kb-test-{token}"
        change_events.make_topics(servers, [f"{prefix}.public.faqs"], partitions)
        source = change_events.live_source(kb.catalog, collection, "faqs", prefix)
        yield World(kb, servers, collection, source, prefix)


@contextlib.contextmanager
def cluster(stack: Stack, folder: Path) -> Iterator[tuple[World, dict[str, str]]]:
    """A world whose catalog is on PostgreSQL and whose words are on Elasticsearch, and what other processes need."""
    server, name = stack.url("postgres"), f"kb_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    catalog = re.sub(r"^postgresql:", "postgresql+psycopg:", f"{server.rpartition('/')[0]}/{name}")
    views = {"elasticsearch_url": stack.url("elasticsearch"), "elasticsearch_prefix": name}
    with world(folder, stack.url("kafka"), catalog_url=catalog, encoder="hash", jobs="embedded", **views) as made:
        others = {f"KB_{key.upper()}": value for key, value in views.items()}
        yield made, made.environment | others | {"KB_ENCODER": "hash", "KB_JOBS": "embedded"}


@contextlib.contextmanager
def running(worker: Worker) -> Iterator[None]:
    """The worker in a thread inside the `with`; what it raised is raised at the end."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            worker.run()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    if failures:
        raise failures[0]
