"""Prometheus metrics of Celery's beat, which does nothing but tell the broker that it is time to look at schedules."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector


class BeatMetrics:
    """Knows when beat was last heard, with memory and processor time of its process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._last_tick = Gauge(
            "kb_beat_last_tick_timestamp_seconds",
            "When the broker last took the word that it is time to look at schedules; 0: never.",
            registry=self.registry,
        )

    def ticked(self, at: float | None = None) -> None:
        """The broker took it at that time, in seconds since 1970; now, where none is given."""
        self._last_tick.set(time.time() if at is None else at)
