"""Prometheus metrics of the jobs that a process runs, beside those of the API or on a port of their own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector

from api.jobs.kinds import kinds

JOB_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
ENDS = ("succeeded", "failed")  # of `Attempt.run`; an attempt may also be stopped, put off, or end unknown


class JobMetrics:
    """An `Observer` that counts; with a registry of its own it tells memory and processor time of its process too."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        if registry is None:
            ProcessCollector(registry=self.registry)
        self._seconds = Histogram(
            "kb_job_seconds",
            "Jobs that ran here, by outcome.",
            ("kind", "outcome"),
            registry=self.registry,
            buckets=JOB_SECONDS,
        )
        self._last_look = Gauge(
            "kb_schedules_last_look_timestamp_seconds",
            "When this process last looked which schedules are due; 0: never.",
            registry=self.registry,
        )
        for kind in kinds():  # from zero on, else the first job of a kind is no change to Prometheus
            for outcome in ENDS:
                self._seconds.labels(kind, outcome)

    def job(self, kind: str, outcome: str, seconds: float) -> None:
        """See `Observer`."""
        self._seconds.labels(kind, outcome).observe(seconds)

    def looked(self) -> None:
        """See `Observer`."""
        self._last_look.set_to_current_time()
