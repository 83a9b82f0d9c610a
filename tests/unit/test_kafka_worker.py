"""The parts of a worker that need no server: batches, offsets, pauses, which sources are live, and losses."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from change_events import MAPPING, live_source
from hypothesis import given
from hypothesis import strategies as st

from api.telemetry.worker_metrics import WorkerMetrics
from ingest.kafka.applier import MAX_BYTES, MAX_MESSAGES, Positions, advances, parts
from ingest.kafka.backoff import FIRST_SECONDS, JITTER, MAX_SECONDS, OUTAGE_MAX_SECONDS, Backoff
from ingest.kafka.lag import caught_up, lag_of
from ingest.kafka.live_sources import LiveSource, LiveSources
from ingest.kafka.message import Message
from ingest.kafka.observer import Applied, Lag
from retrieval.catalog import Catalog, Collection, sqlite_url
from retrieval.catalog.offsets import Partition
from retrieval.catalog.sources import SourceState


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(sqlite_url(tmp_path / "catalog.db"))
    yield opened
    opened.close()


@pytest.fixture
def collection(catalog: Catalog) -> Collection:
    return catalog.collections.create("shop", "none", "fingerprint")


def messages(sizes: Iterable[int]) -> list[Message]:
    return [Message("t", 0, offset, None, b"x" * size) for offset, size in enumerate(sizes)]


@given(st.lists(st.integers(0, MAX_BYTES * 2), max_size=12))
def test_parts_hold_every_message_once_in_order_and_are_bounded(sizes: list[int]) -> None:
    cut = list(parts(messages(sizes)))
    assert [one.offset for part in cut for one in part] == list(range(len(sizes)))
    assert all(part for part in cut)
    assert all(len(part) == 1 or sum(one.size for one in part) <= MAX_BYTES for part in cut)


def test_many_small_messages_are_cut_by_their_number() -> None:
    assert [len(part) for part in parts(messages([1] * (2 * MAX_MESSAGES + 1)))] == [MAX_MESSAGES, MAX_MESSAGES, 1]


def test_advances_begin_where_the_catalog_stands(catalog: Catalog, collection: Collection) -> None:
    source = LiveSource.of(live_source(catalog, collection, "faqs", "kb-1"))
    some = [Message("t", 1, 5, None, None), Message("t", 0, 9, None, None), Message("t", 1, 6, None, None)]
    found = advances(source, some, {("t", 1): 5}, {})
    assert [(one.partition, one.start, one.end) for one in found] == [(0, None, 10), (1, 5, 7)]


def test_pauses_double_to_a_bound_and_begin_again() -> None:
    backoff = Backoff(seed=1)
    assert not backoff.failing
    pauses = [backoff.next() for _ in range(12)]
    for number, pause in enumerate(pauses):
        plain = min(FIRST_SECONDS * 2**number, MAX_SECONDS)
        assert plain * (1 - JITTER) <= pause <= plain * (1 + JITTER)
    assert backoff.failing
    assert backoff.next(OUTAGE_MAX_SECONDS) <= OUTAGE_MAX_SECONDS * (1 + JITTER)
    backoff.reset()
    assert backoff.next() <= FIRST_SECONDS * (1 + JITTER)


def test_sources_come_rest_and_go(catalog: Catalog, collection: Collection) -> None:
    live = LiveSources(catalog)
    assert not live.refresh()
    joined = MAPPING | {"include": {"tag": {"table": "public.tags", "on": {"id": "tag_id"}}}}
    record = live_source(catalog, collection, "faqs", "kb-1", {"public.faqs": joined})
    assert live.refresh()
    assert set(live.by_topic) == {"kb-1.public.faqs", "kb-1.public.tags"}
    assert not live.refresh()
    paused = catalog.sources.change(record, state=SourceState.PAUSED.value)
    assert live.refresh()
    assert not live.by_topic
    catalog.sources.change(paused, state=SourceState.ACTIVE.value)
    assert live.refresh()


def test_a_source_with_a_broken_mapping_is_told_once_and_the_others_go_on(
    catalog: Catalog, collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    live_source(catalog, collection, "broken", "kb-1", {"public.faqs": {"title": "{unclosed", "body": "x"}})
    live_source(catalog, collection, "sound", "kb-2")
    live = LiveSources(catalog)
    for _ in range(3):
        live.refresh()
    assert set(live.by_topic) == {"kb-2.public.faqs"}
    assert [record.message for record in caplog.records if "broken" in record.message] == [caplog.records[0].message]


def test_caught_up_counts_partitions_that_were_never_read() -> None:
    goal = {("t", 0): (0, 0), ("t", 1): (5, 9)}
    assert not caught_up(goal, {})
    assert not caught_up(goal, {("t", 1): 8})
    assert caught_up(goal, {("t", 1): 9})


class Partitions:
    """What a consumer knows of the partitions that it reads."""

    def __init__(self, ends: dict[Partition, int]) -> None:
        self.assigned = ends.keys()
        self._ends = ends

    def highwater(self, partition: Partition) -> int:
        return self._ends[partition]


def shown_lag(metrics: WorkerMetrics, unit: str = "events") -> dict[tuple[str, str], float]:
    family = next(one for one in metrics.registry.collect() if one.name == f"kb_worker_lag_{unit}")
    return {(one.labels["collection"], one.labels["source"]): one.value for one in family.samples}


def test_the_lag_of_equal_names_is_by_collection_and_ends_with_its_source(
    catalog: Catalog, collection: Collection
) -> None:
    other = catalog.collections.create("other", "none", "fingerprint")
    behind = live_source(catalog, collection, "faqs", "kb-1")
    caught = live_source(catalog, other, "faqs", "kb-2")
    live, metrics = LiveSources(catalog), WorkerMetrics()
    consumer: Any = Partitions({("kb-1.public.faqs", 0): 5_000, ("kb-2.public.faqs", 0): 10})
    positions: dict[int, Positions] = {
        behind.id: {("kb-1.public.faqs", 0): 0},
        caught.id: {("kb-2.public.faqs", 0): 10},
    }

    def look() -> None:
        live.refresh()
        metrics.lag(lag_of(consumer, live.by_id.values(), positions))

    look()
    assert shown_lag(metrics) == {("shop", "faqs"): 5_000, ("other", "faqs"): 0}
    catalog.sources.change(behind, state=SourceState.PAUSED.value)
    look()
    assert shown_lag(metrics) == {("other", "faqs"): 0}
    metrics.ended()
    assert shown_lag(metrics) == {}


FAQS, ONE, OTHER = ("shop", "faqs"), ("faqs", 0), ("faqs", 1)


def applied(metrics: WorkerMetrics, **ages: float) -> None:
    """A batch is committed whose newest change of each partition was committed at its source so many seconds ago."""
    now = datetime.now(UTC)
    newest = {{"one": ONE, "other": OTHER}[name]: now - timedelta(seconds=age) for name, age in ages.items()}
    metrics.applied(Applied(*FAQS, len(newest), Counter(), 0, {}, list(newest.values()), now, 1, 1, newest=newest))


def seconds_behind(metrics: WorkerMetrics) -> float:
    return shown_lag(metrics, "seconds")[FAQS]


def test_the_lag_in_seconds_is_that_of_the_partition_furthest_behind() -> None:
    metrics = WorkerMetrics()
    applied(metrics, one=7_200, other=1)
    metrics.lag({FAQS: Lag({ONE: 100, OTHER: 1})})
    assert 7_200 <= seconds_behind(metrics) < 7_300
    applied(metrics, other=1)  # a consumer hands out one partition after another
    assert 7_200 <= seconds_behind(metrics) < 7_300
    applied(metrics, one=60)  # what comes next was committed later: nothing older is missing
    assert 60 <= seconds_behind(metrics) < 160


def test_the_lag_in_seconds_grows_while_nothing_is_applied() -> None:
    metrics = WorkerMetrics()
    applied(metrics, one=3)
    metrics.lag({FAQS: Lag({ONE: 100})})
    first = seconds_behind(metrics)
    time.sleep(0.2)
    metrics.stopped_for("a server is away", 1.0)
    assert seconds_behind(metrics) >= first + 0.2


def test_a_quiet_partition_was_caught_up_until_more_came() -> None:
    metrics = WorkerMetrics()
    metrics.lag({FAQS: Lag({ONE: 7})})  # of how old these are nothing is known yet
    assert seconds_behind(metrics) < 100
    applied(metrics, one=7_200)
    metrics.lag({FAQS: Lag({OTHER: 1})})
    assert seconds_behind(metrics) < 100
    metrics.lag({FAQS: Lag({})})
    assert seconds_behind(metrics) == 0.0
    metrics.lag({FAQS: Lag({ONE: 1})})
    assert seconds_behind(metrics) < 100, "its last change is old, but none came after it"
    metrics.ended()
    assert shown_lag(metrics, "seconds") == {}
