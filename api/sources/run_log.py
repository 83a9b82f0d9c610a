"""Writes what workers do into the run log of their sources, summed by the minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from ingest.kafka.observer import Applied, Lag, Observer, SourceName
from retrieval.catalog import Catalog
from retrieval.catalog.schema import utc_now
from retrieval.catalog.source_runs import RunWork
from retrieval.errors import OutageError

logger = logging.getLogger(__name__)

WRITE_SECONDS = 1.0  # between two writes: each is a transaction, and nothing but this log depends on it


class RunLog:
    """An `Observer` that tells another, then writes. A worker that is killed loses the last second of this log."""

    def __init__(self, catalog: Catalog, then: Observer) -> None:
        self._catalog = catalog
        self._then = then
        self._sums: dict[int, RunWork] = {}  # by source, since the last write
        self._written_at = -float("inf")

    def applied(self, batch: Applied) -> None:
        """See `Observer`."""
        self._then.applied(batch)
        self._sums[batch.source_id] = self._sums.get(batch.source_id, RunWork()).plus(_done(batch))
        self._write_sometimes()

    def polled(self, seconds: float) -> None:
        """See `Observer`."""
        self._then.polled(seconds)

    def lag(self, by_source: Mapping[SourceName, Lag]) -> None:
        """See `Observer`."""
        self._then.lag(by_source)
        self._write_sometimes()

    def stopped_for(self, reason: str, pause_seconds: float) -> None:
        """See `Observer`."""
        self._then.stopped_for(reason, pause_seconds)

    def ended(self) -> None:
        """See `Observer`."""
        self._write()
        self._then.ended()

    def _write_sometimes(self) -> None:
        if self._sums and time.monotonic() - self._written_at >= WRITE_SECONDS:
            self._write()

    def _write(self) -> None:
        self._written_at = time.monotonic()
        try:
            for source_id in list(self._sums):
                self._catalog.source_runs.stream(source_id, utc_now(), self._sums[source_id])
                del self._sums[source_id]
        except OutageError as error:  # the events themselves are applied; the sums wait
            logger.debug("the run log cannot be written: %s; tried again", error)


def _done(batch: Applied) -> RunWork:
    outcomes = {outcome.value: count for outcome, count in batch.outcomes.items()}
    return RunWork(outcomes, batch.dead_letters, batch.events, batch.stages)
