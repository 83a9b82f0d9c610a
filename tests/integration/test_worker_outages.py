"""What does not answer stops a worker and loses nothing: Kafka, the catalog, the encoder."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from kafka import KafkaAdminClient
from local_postgres import end_connections
from stack import StackOf
from waiting import eventually
from worker_world import World, running, world

from ingest.contracts import CHUNKERS
from ingest.kafka.consumer import GroupConsumer
from ingest.kafka.worker import Worker
from ingest.pipeline import Pipeline
from ingest.targets import FixedTargets
from retrieval.contracts import Encoder
from retrieval.types import Vectors

pytestmark = [pytest.mark.server, pytest.mark.slow]


class FailingEncoder:
    """An encoder that can be broken and mended; a wrapper of a real one."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.broken = threading.Event()
        self.refused = 0
        self.fingerprint, self.dim = encoder.fingerprint, encoder.dim

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        if self.broken.is_set():
            self.refused += 1
            raise RuntimeError("out of memory")
        return self._encoder.encode_passages(texts)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encoder.encode_queries(texts)

    def coverage(self, text: str) -> float:
        return self._encoder.coverage(text)


def test_the_broker_killed_and_started_again(tmp_path: Path, own_stack_of: StackOf) -> None:
    """The worker has a process of its own: its client leaves sockets of refused connections to the collector.

    It stays a member. One that left while nobody could hear it would hold up everybody who joins after the outage.
    """
    stack = own_stack_of("kafka")  # others use the run's broker at this moment
    log = tmp_path / "worker.log"
    with world(tmp_path / "data", stack.url("kafka")) as shop, log.open("wb") as lines:
        command = [sys.executable, "-m", "api.cli", "worker"]
        with subprocess.Popen(command, env=shop.environment, stdout=subprocess.DEVNULL, stderr=lines) as worker:
            try:
                shop.send(shop.history.changes(100))
                eventually(lambda: shop.documents == shop.history.documents, what="the first changes are applied")
                stack.kill("kafka")
                eventually(lambda: "the worker stops" in log.read_text(), what="the worker says that it stops")
                stack.up(["kafka"])
                shop.send(shop.history.changes(100))
                eventually(lambda: shop.documents == shop.history.documents, what="the changes after it", seconds=120)
                members = members_of(shop)
            finally:
                worker.terminate()
            assert worker.wait(60) == 0
    assert len(members) == 1
    told = [line for line in log.read_text().splitlines() if " ingest.kafka.worker: " in line]
    assert ["stops" in line for line in told] == [True, False], "one outage, told once, and its end"
    assert len(log.read_text().splitlines()) < 100


def members_of(shop: World) -> set[str]:
    """The members of the workers' group, as Kafka knows them."""
    group = shop.kb.settings.worker_group
    with closing(KafkaAdminClient(bootstrap_servers=shop.servers)) as admin:
        return {member["member_id"] for member in admin.describe_groups([group])[group]["members"]}


def test_the_catalog_away_for_some_seconds(
    tmp_path: Path, stack_of: StackOf, fresh_postgres: str, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = urlsplit(fresh_postgres).path[1:]
    with (
        world(tmp_path / "data", stack_of("kafka").url("kafka"), catalog_url=fresh_postgres) as shop,
        psycopg.connect(postgres_url, autocommit=True) as admin,
    ):
        worker, metrics = shop.worker()

        def told() -> list[logging.LogRecord]:
            return [r for r in caplog.records if r.name == "ingest.kafka.worker" and r.levelno >= logging.WARNING]

        with running(worker):
            shop.send(shop.history.changes(50))
            eventually(lambda: metrics.totals()["events"] > 0, what="the first changes are applied")
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            end_connections(admin, name)
            shop.send(shop.history.changes(100))
            eventually(told, what="the worker says that it stops")
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
            eventually(lambda: shop.documents == shop.history.documents, what="the changes made meanwhile are applied")
        assert len(told()) == 1
        assert metrics.totals()["dead_letters"] == 0


def test_a_broken_encoder_makes_no_dead_letters(tmp_path: Path, stack_of: StackOf) -> None:
    servers = stack_of("kafka").url("kafka")
    with world(tmp_path / "data", servers) as shop:
        encoder = FailingEncoder(shop.kb.open_encoder(shop.collection.encoder))
        targets = FixedTargets(CHUNKERS.create("structure"), encoder)
        pipeline = Pipeline(shop.kb.catalog, shop.collection, targets)
        group = shop.kb.settings.worker_group
        worker = Worker(shop.kb.catalog, lambda _: pipeline, lambda: GroupConsumer(servers, group))
        encoder.broken.set()
        with running(worker):
            shop.send(shop.history.changes(50))
            eventually(lambda: encoder.refused > 1, what="the worker tries again")
            assert shop.documents == {}
            encoder.broken.clear()
            eventually(lambda: shop.documents == shop.history.documents, what="the changes are applied")
        assert shop.kb.catalog.sources.dead_letters(shop.collection) == []
