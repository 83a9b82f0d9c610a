"""Prometheus metrics of a worker, in its own process or beside those of the API."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Mapping
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from ingest.kafka.observer import Applied, Lag, SourceName
from retrieval.catalog import Outcome
from retrieval.catalog.offsets import Partition

STAGE_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# A change waits for Debezium, Kafka and its batch: from milliseconds to the hours of a backlog.
CATALOG_SECONDS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 600.0, 3600.0, 86400.0)


class WorkerMetrics:
    """An `Observer` that counts; with a registry of its own it tells memory and processor time of its process too."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        if registry is None:
            ProcessCollector(registry=self.registry)
        source = ("collection", "source")
        self._events = Counter("kb_worker_events", "Messages applied.", source, registry=self.registry)
        self._changes = Counter(
            "kb_worker_changes", "Changes of documents by outcome.", (*source, "outcome"), registry=self.registry
        )
        self._letters = Counter("kb_worker_dead_letters", "Messages set aside.", source, registry=self.registry)
        self._stages = Histogram(
            "kb_worker_stage_seconds",
            "A batch by stage.",
            ("stage",),
            registry=self.registry,
            buckets=STAGE_SECONDS,
        )
        self._fresh = Histogram(
            "kb_worker_source_to_catalog_seconds",
            "From a change's commit at its source to its commit in the catalog.",
            source,
            registry=self.registry,
            buckets=CATALOG_SECONDS,
        )
        self._lag_events = Gauge("kb_worker_lag_events", "Messages not yet applied.", source, registry=self.registry)
        self._lag_seconds = Gauge(
            "kb_worker_lag_seconds",
            "How long ago, at the most, what is known of the source was true; 0: caught up.",
            source,
            registry=self.registry,
        )
        self._outages = Counter("kb_worker_outages", "Tries that ended in an outage.", registry=self.registry)
        self._true_until: dict[SourceName, dict[Partition, float]] = {}  # what is known of its rows was true then
        self._behind: dict[SourceName, list[Partition]] = {}  # those of it with messages to come; whose lag is shown
        self._outcomes: Tally[Outcome] = Tally()
        self._sums: Tally[str] = Tally()

    def applied(self, batch: Applied) -> None:
        """See `Observer`."""
        source = (batch.collection, batch.source)
        self._events.labels(*source).inc(batch.events)
        self._letters.labels(*source).inc(batch.dead_letters)
        for outcome, count in batch.outcomes.items():
            self._changes.labels(*source, outcome.value).inc(count)
        for stage, seconds in batch.stages.items():
            self._stages.labels(stage).observe(seconds)
        fresh, now = self._fresh.labels(*source), batch.cataloged_at.timestamp()
        for at in batch.committed_at:
            fresh.observe(max(0.0, now - at.timestamp()))
        self._true_until.setdefault(source, {}).update(
            (partition, at.timestamp()) for partition, at in batch.newest.items()
        )
        self._outcomes.update(batch.outcomes)
        self._sums.update(events=batch.events, dead_letters=batch.dead_letters)

    def polled(self, seconds: float) -> None:
        """See `Observer`."""
        self._stages.labels("poll").observe(seconds)

    def lag(self, by_source: Mapping[SourceName, Lag]) -> None:
        """See `Observer`. What is paused or deleted lags no longer: its series end."""
        for source in self._behind.keys() - by_source.keys():
            self._lag_events.remove(*source)
            self._lag_seconds.remove(*source)
            self._true_until.pop(source, None)
        self._behind = {source: list(lag.waiting) for source, lag in by_source.items()}
        now = time.time()
        for source, lag in by_source.items():
            known = self._true_until.setdefault(source, {})
            known.update(dict.fromkeys(known.keys() - lag.waiting.keys(), now))  # a quiet one is known until now
            for partition in lag.waiting:
                known.setdefault(partition, now)
            self._lag_events.labels(*source).set(lag.events)
            self._lag_seconds.labels(*source).set_function(partial(self._seconds_behind, source))

    def stopped_for(self, reason: str, pause_seconds: float) -> None:
        """See `Observer`."""
        self._outages.inc()

    def ended(self) -> None:
        """See `Observer`. Other workers read on."""
        self.lag({})

    def _seconds_behind(self, source: SourceName) -> float:
        """Of the partition furthest behind, as of now: it grows while a batch takes long, or a server is waited for."""
        known, now = self._true_until.get(source, {}), time.time()
        return max((now - known.get(partition, now) for partition in self._behind.get(source, ())), default=0.0)

    def totals(self) -> dict[str, Any]:
        """What was done since the start."""
        return {
            "events": self._sums["events"],
            "dead_letters": self._sums["dead_letters"],
            "changes": {outcome.value: count for outcome, count in sorted(self._outcomes.items())},
        }
