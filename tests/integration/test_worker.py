"""Workers on a real Kafka: whatever happens to messages and processes, the collection ends as the oracle says."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from change_events import Event, History, event
from kafka import KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition
from stack import StackOf
from waiting import PATIENCE_SECONDS, eventually
from worker_world import World, running, world

from retrieval.catalog import schema
from retrieval.catalog.sources import SourceState

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def kafka(stack_of: StackOf) -> str:
    return stack_of("kafka").url("kafka")


@pytest.fixture
def shop(tmp_path: Path, kafka: str) -> Iterator[World]:
    with world(tmp_path / "data", kafka) as opened:
        yield opened


def shuffled(history: History, count: int) -> list[Event]:
    """A history whose messages come twice and out of order."""
    events = list(history.changes(count))
    again = events + random.Random(3).sample(events, count // 2)
    random.Random(4).shuffle(again)
    return list(again)


def test_duplicates_and_any_order_over_partitions_end_as_the_oracle(shop: World) -> None:
    messages = shuffled(shop.history, 300)
    for begin in range(0, len(messages), 100):
        part = messages[begin : begin + 100]
        for partition in range(4):
            shop.send(part[partition::4], partition=partition)
        shop.drain()
    assert shop.documents == shop.history.documents


def test_offsets_are_the_catalogs_and_nothing_is_applied_twice(shop: World) -> None:
    sent = shop.send(shop.history.changes(200))
    assert shop.drain().totals()["events"] == sent
    assert shop.drain().totals()["events"] == 0
    assert sum(shop.kb.catalog.offsets.read(shop.source.id).values()) == sent
    for offset in (0, 10**6):  # whatever Kafka says of the group
        claim(shop, offset)
        assert shop.drain().totals()["events"] == 0
    assert shop.send(shop.history.changes(20)) == shop.drain().totals()["events"]
    assert shop.documents == shop.history.documents


def claim(shop: World, offset: int) -> None:
    """Have Kafka believe that the group has come so far in each partition."""
    consumer = KafkaConsumer(bootstrap_servers=shop.servers, group_id=shop.kb.settings.worker_group)
    try:
        partitions = [TopicPartition(shop.topic, number) for number in consumer.partitions_for_topic(shop.topic) or ()]
        consumer.assign(partitions)
        consumer.commit({partition: OffsetAndMetadata(offset, "", -1) for partition in partitions})
    finally:
        consumer.close(autocommit=False)


def test_two_workers_share_the_partitions_and_rebalance_in_mid_stream(shop: World) -> None:
    (first, first_metrics), (second, second_metrics) = shop.worker(), shop.worker()
    with running(first):
        shop.send(shop.history.changes(300))
        eventually(lambda: first_metrics.totals()["events"] > 0, what="the first worker applies something")

        def applied_by_the_second() -> int:
            shop.send(shop.history.changes(20))  # until some lie in partitions that it was given
            return int(second_metrics.totals()["events"])

        with running(second):
            eventually(applied_by_the_second, what="the second worker takes partitions")
        shop.send(shop.history.changes(100))
        eventually(lambda: shop.documents == shop.history.documents, what="the first worker takes all over again")


def test_a_long_batch_is_not_overtaken_for_ever(shop: World) -> None:
    """A neighbour that commits rows of the source every 100 ms is quicker than a backlog's batch is rendered."""
    sent = shop.send(shop.history.changes(400, keys=400))
    sources, over = schema.sources, threading.Event()

    def overtake() -> None:
        while not over.wait(0.1):
            with shop.kb.catalog._engine.begin() as connection:
                connection.execute(sources.update().values(rows_version=sources.c.rows_version + 1))

    neighbour = threading.Thread(target=overtake)
    neighbour.start()
    try:
        worker, metrics = shop.worker()
        with running(worker):
            eventually(lambda: metrics.totals()["events"] == sent, what="the batch is applied in parts", seconds=150)
    finally:
        over.set()
        neighbour.join()
    assert shop.documents == shop.history.documents


def test_poison_messages_become_dead_letters_and_stop_nothing(shop: World) -> None:
    shop.send(shop.history.changes(50))
    shop.send_raw(b"not json", b"{}")
    shop.send_raw(b'{"id": 1}', b"\xff\xfe not json")
    shop.send_raw(b'{"id": 1}', b'{"after": 1}')
    shop.send_raw(b'{"id": 1}', b'{"op": "u", "after": [], "source": {"connector": "postgresql", "schema": 1}}')
    shop.send_raw(None, b'"a text"')
    shop.send(shop.history.changes(50))
    metrics = shop.drain()
    assert shop.documents == shop.history.documents
    letters = shop.kb.catalog.sources.dead_letters(shop.collection)
    assert len(letters) == metrics.totals()["dead_letters"] == 5
    for letter in letters:
        assert letter.key == f"{letter.topic}/{letter.partition}@{letter.offset}"
        assert letter.reason
        assert letter.remedy


def test_a_document_that_the_catalog_refuses_is_set_aside_alone(
    tmp_path: Path, kafka: str, fresh_postgres: str
) -> None:
    """PostgreSQL indexes no key of so many bytes; the row's neighbours in the batch are kept."""
    with world(tmp_path / "data", kafka, catalog_url=fresh_postgres) as shop:
        rows = {key: shop.history.row(key) for key in range(20)}
        events = [event("public.faqs", "c", key, row, 100 + key) for key, row in rows.items()]
        events[7] = replace(events[7], key={"id": random.Random(7).randbytes(4_000).hex()})
        shop.send(events, partition=0)
        shop.drain()
        assert shop.documents.keys() == {f"public.faqs/{key}" for key in rows if key != 7}
        (letter,) = shop.kb.catalog.sources.dead_letters(shop.collection)
        assert letter.offset == 7


def test_a_killed_worker_loses_and_repeats_nothing(shop: World) -> None:
    chance = random.Random(5)
    for _ in range(4):
        shop.send(shop.history.changes(400))
        started = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "worker"], env=shop.environment, stdout=subprocess.DEVNULL
        )
        before = sum(shop.kb.catalog.offsets.read(shop.source.id).values())
        eventually(
            lambda: sum(shop.kb.catalog.offsets.read(shop.source.id).values()),
            lambda read, before=before: read > before,
            what="a batch is committed",
        )
        time.sleep(chance.uniform(0, 0.2))
        started.send_signal(signal.SIGKILL)
        started.wait()
    shop.drain()
    assert shop.documents == shop.history.documents


def test_a_stopped_worker_ends_clean(shop: World) -> None:
    shop.send(shop.history.changes(100))
    command = [sys.executable, "-m", "api.cli", "worker", "--json"]
    with subprocess.Popen(command, env=shop.environment, stdout=subprocess.PIPE, text=True) as started:
        eventually(lambda: bool(shop.kb.catalog.offsets.read(shop.source.id)), what="a batch is committed")
        started.send_signal(signal.SIGTERM)
        told, _ = started.communicate(timeout=PATIENCE_SECONDS)
        assert started.returncode == 0
    assert '"events":' in told


def test_a_paused_source_is_not_read_until_it_is_active_again(shop: World) -> None:
    worker, metrics = shop.worker()
    with running(worker):
        shop.send(shop.history.changes(50))
        eventually(lambda: shop.documents == shop.history.documents, what="the first changes are applied")
        paused = shop.kb.catalog.sources.change(shop.source, state=SourceState.PAUSED.value)
        of_it = {"collection": shop.collection.name, "source": shop.source.name}
        lag = partial(metrics.registry.get_sample_value, "kb_worker_lag_events", of_it)
        eventually(lag, lambda value: value is None, what="the worker counts it no longer among those it reads")
        before = metrics.totals()["events"]
        shop.send(shop.history.changes(50))
        time.sleep(1)
        assert metrics.totals()["events"] == before
        shop.kb.catalog.sources.change(paused, state=SourceState.ACTIVE.value)
        eventually(lambda: shop.documents == shop.history.documents, what="the changes made meanwhile are applied")


def test_expired_messages_are_told_and_the_rest_is_applied(shop: World) -> None:
    shop.send(shop.history.changes(40), partition=0)
    shop.drain()
    shop.send([event("public.faqs", "c", 900, shop.history.row(900), 10**6)], partition=0)
    admin = KafkaAdminClient(bootstrap_servers=shop.servers)
    try:
        admin.delete_records({TopicPartition(shop.topic, 0): -1})
    finally:
        admin.close()
    shop.history.rows[901] = shop.history.row(901)
    shop.send([event("public.faqs", "c", 901, shop.history.rows[901], 10**6 + 10)], partition=0)
    shop.drain()
    assert shop.documents == shop.history.documents
    kinds = [notice.kind for notice in shop.kb.catalog.source_tables.notices(shop.source.id)]
    assert "events_expired" in kinds
