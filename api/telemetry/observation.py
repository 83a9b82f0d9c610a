"""Prometheus metrics of one app, in a registry of its own: requests, search stages, freshness, sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from api.jobs.kinds import kinds
from api.knowledge_base import KnowledgeBase
from api.telemetry.history import History
from api.telemetry.job_metrics import JobMetrics
from retrieval.catalog.jobs import JobState
from retrieval.errors import ConflictError, EncoderError, RetrievalError
from retrieval.search.types import SearchResult

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# of api/telemetry/searchable.py
FRESHNESS = {"kb_searchable_seconds": "source", "kb_catalog_to_searchable_seconds": "catalog"}


class Metrics:
    """Counts what happens; collections are looked at only when somebody scrapes."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._registry = CollectorRegistry()
        for of_process in (ProcessCollector, PlatformCollector, GCCollector):
            of_process(registry=self._registry)
        self._requests = Counter(
            "kb_requests", "Requests by route and status.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "kb_request_seconds", "Time to the last byte.", ("route",), registry=self._registry, buckets=SECONDS
        )
        self._stages = Histogram(
            "kb_search_stage_seconds",
            "Searches for callers by stage.",
            ("stage",),
            registry=self._registry,
            buckets=SECONDS,
        )
        self._by_stage: dict[str, Histogram] = {}  # looking a label up costs more than counting
        self.jobs = JobMetrics(self._registry)
        self.history = History()
        self._registry.register(_Collections(kb))
        self._registry.register(_Jobs(kb))

    @property
    def registry(self) -> CollectorRegistry:
        """Where others of this process may add what they count."""
        return self._registry

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request came to its end; status 0 is one that got no answer."""
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        self.history.request(route, status, seconds)

    def search(self, result: SearchResult) -> None:
        """One search served a caller."""
        for stage, milliseconds in result.stages.items():
            histogram = self._by_stage.get(stage)
            if histogram is None:
                histogram = self._by_stage[stage] = self._stages.labels(stage)
            histogram.observe(milliseconds / 1000)

    def register(self, collector: Collector) -> None:
        """Ask this one too when somebody scrapes."""
        self._registry.register(collector)

    def freshness(self) -> list[dict[str, Any]]:
        """How long changes took until searches here saw them, by collection and source, from each kind of commit."""
        names = [f"{name}{suffix}" for name in FRESHNESS for suffix in ("_bucket", "_count", "_sum")]
        found = self._registry.restricted_registry(names).collect()
        return [one for metric in found for one in _by_source(metric, FRESHNESS[metric.name])]

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


def _by_source(metric: Metric, since: str) -> Iterator[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for sample in metric.samples:
        place = (sample.labels["collection"], sample.labels["source"])
        one = found.setdefault(place, {"buckets": [], "count": 0, "mean_seconds": 0.0})
        if sample.name.endswith("_bucket"):
            bound = float(sample.labels["le"])
            below = sum(bucket["count"] for bucket in one["buckets"])
            seconds = None if math.isinf(bound) else bound
            one["buckets"].append({"seconds": seconds, "count": int(sample.value) - below})
        elif sample.name.endswith("_count"):
            one["count"] = int(sample.value)
        elif sample.name.endswith("_sum"):
            one["mean_seconds"] = sample.value
    for (collection, source), one in sorted(found.items()):
        if one["count"]:
            one["mean_seconds"] = round(one["mean_seconds"] / one["count"], 4)
            yield {"collection": collection, "source": source, "since": since, **one}


class _Collections(Collector):
    """Lag and sizes by collection; one that cannot be looked at now is left out of the scrape."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb

    def describe(self) -> Iterator[Metric]:
        """Nothing at registration: the catalog is not asked before a scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        lag = GaugeMetricFamily("kb_view_lag_operations", "Operations not yet searchable.", labels=("collection",))
        documents = GaugeMetricFamily("kb_documents", "Living documents.", labels=("collection",))
        chunks = GaugeMetricFamily("kb_chunks", "Searchable passages.", labels=("collection",))
        legs = GaugeMetricFamily("kb_leg_degraded", "1: searches miss this leg.", labels=("collection", "leg"))
        usable = GaugeMetricFamily("kb_collection_usable", "0: it needs an operator.", labels=("collection",))
        troubles = self._kb.troubles()
        for collection in self._kb.catalog.collections.all():
            try:
                behind = self._kb.freshness(collection.name)["lag"]
                sizes = self._kb.catalog.documents.counts(collection)
            except (ConflictError, EncoderError):  # as `Readiness` tells them from what passes by itself
                usable.add_metric((collection.name,), 0)
                continue
            except RetrievalError:
                continue
            usable.add_metric((collection.name,), 1)
            lag.add_metric((collection.name,), behind)
            documents.add_metric((collection.name,), sizes[0])
            chunks.add_metric((collection.name,), sizes[1])
            mine = troubles.get(collection.name, {})
            for leg in dict.fromkeys(("sparse", "dense", "attributes", *mine)):  # the graph's is optional
                legs.add_metric((collection.name, leg), leg in mine)
        yield from (lag, documents, chunks, legs, usable)


class _Jobs(Collector):
    """Jobs in the catalog by kind and state, whoever runs them."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb

    def describe(self) -> Iterator[Metric]:
        """Nothing at registration: the catalog is not asked before a scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The gauges. What every kind may have is there before the first job, so that a first failure is a change."""
        jobs = GaugeMetricFamily("kb_jobs", "Jobs in the catalog by kind and state.", labels=("kind", "state"))
        nothing = {(kind, state): 0 for kind in kinds() for state in (JobState.QUEUED, JobState.FAILED)}
        for (kind, state), count in (nothing | self._kb.catalog.jobs.counts()).items():
            jobs.add_metric((kind, state.value), count)
        waiting = GaugeMetricFamily(
            "kb_job_waiting_seconds", "How long the oldest queued job has waited.", labels=("kind",)
        )
        for kind, seconds in (dict.fromkeys(kinds(), 0.0) | self._kb.catalog.jobs.waiting()).items():
            waiting.add_metric((kind,), seconds)
        yield from (jobs, waiting)
