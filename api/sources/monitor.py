"""Looks at the live sources every few seconds while the API serves, so that scraping and requests need not.

It also learns the types of columns as they change, removes the documents that a reading of everything did not bring,
once that came to its end, brings rows that wait for large values, and asks again for tables that a connector gave up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.knowledge_base import KnowledgeBase
from api.lookout import Lookout
from api.sources.live_sources import LiveSources
from api.sources.rereading import Rereading
from api.sources.status import SourceStatus, StatusReader
from api.sources.waiting_rows import bring_waiting
from ingest.connect.client import ConnectorStatus
from ingest.errors import IngestError
from ingest.kafka.live_sources import LIVE
from retrieval.catalog.sources import SourceRecord, SourceState
from retrieval.errors import ConflictError, NotFoundError, RetrievalError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 120.0  # after a failure: a try may compare whole tables, and no other source is looked at meanwhile
POLL_SECONDS = 15.0  # as often as Prometheus usually scrapes
Named = tuple[str, str]  # collection, source
OF_RUNNING = frozenset(
    {"kb_source_lag_events", "kb_source_lag_seconds", "kb_source_connector_up", "kb_source_database_up"}
)


class SourceMonitor(Lookout):
    """What was seen last of each live source; empty where no Kafka Connect is configured."""

    def __init__(self, kb: KnowledgeBase) -> None:
        super().__init__("source-monitor", POLL_SECONDS, "live sources cannot be looked at")
        self._kb = kb
        self._live = LiveSources(kb)
        self._reader = StatusReader(kb)
        self._rereading = Rereading(self._live)
        self._finish_at: dict[int, float] = {}  # by source, after a failure
        self.seen: Mapping[Named, SourceStatus] = {}
        self.resting: frozenset[Named] = frozenset()  # of these, what nobody wants to be read now

    def start(self) -> None:
        """Begin to look, where there is something to look at."""
        if self._live.setup.configured:
            super().start()

    def look(self) -> None:
        """See every live source once. Raises `RetrievalError` where the catalog cannot be read."""
        seen: dict[Named, SourceStatus] = {}
        resting: set[Named] = set()
        for collection in self._kb.catalog.collections.all():
            for record in self._kb.catalog.sources.all(collection):
                if record.kind != LIVE or self._stopping.is_set():
                    continue
                named = (collection.name, record.name)
                seen[named] = status = self._reader.read(record, thorough=False)
                if record.state is not SourceState.ACTIVE or status.connector.paused:
                    resting.add(named)
                self._finish(self._learn_types(record) if status.database_answers else record)
                if status.database_answers and status.lag_events == 0:  # else the values may be on their way
                    self._bring_waiting(record)
                self._read_again(record, status.connector)
        self.seen, self.resting = seen, frozenset(resting)

    def _learn_types(self, record: SourceRecord) -> SourceRecord:
        """Also of a source whose types an earlier version had stored otherwise."""
        if record.state is not SourceState.ACTIVE:
            return record
        try:
            return self._live.learn_types(record)
        except (ConflictError, NotFoundError) as error:
            logger.info("source %s: the types of its columns are read at the next look: %s", record.name, error)
            return record

    def _finish(self, record: SourceRecord) -> None:
        if "rebuilding" not in record.config or record.state is not SourceState.ACTIVE:
            return
        if time.monotonic() < self._finish_at.get(record.id, 0.0):
            return
        try:
            if attempts := self._reader.attempts(record):
                self._live.finish_rebuild(record, interrupted=attempts > 1)
        except (ConflictError, NotFoundError) as error:
            logger.info("source %s: its reading is finished at a later look: %s", record.name, error)
        except (IngestError, RetrievalError) as error:
            self._finish_at[record.id] = time.monotonic() + RETRY_SECONDS
            logger.warning("source %s: its reading is not finished yet: %s", record.name, error)

    def _bring_waiting(self, record: SourceRecord) -> None:
        if record.state is not SourceState.ACTIVE:
            return
        try:
            bring_waiting(self._kb, record)
        except (IngestError, RetrievalError) as error:
            logger.warning("source %s: rows that wait for large values wait on: %s", record.name, error)

    def _read_again(self, record: SourceRecord, connector: ConnectorStatus) -> None:
        try:
            self._rereading.look(record, connector)
        except (IngestError, RetrievalError) as error:
            logger.warning("source %s: whether its tables were read to the end is not known: %s", record.name, error)


class SourceGauges(Collector):
    """The sources as the monitor saw them last; what could not be asked is left out.

    So is how far those lag that rest, and whether their connectors and databases are up: somebody wants it so.
    """

    def __init__(self, monitor: SourceMonitor) -> None:
        self._monitor = monitor

    def describe(self) -> Iterator[Metric]:
        """Nothing at registration."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        for name, meaning, read in (
            ("kb_source_lag_events", "Change events that no worker has read yet; absent while paused.", _lag_events),
            (
                "kb_source_lag_seconds",
                "How long ago, at the most, what is known of the source was true; absent while paused.",
                _lag_seconds,
            ),
            ("kb_source_slot_lag_bytes", "Log of the database that was not read yet.", _slot_lag),
            ("kb_source_slot_retained_bytes", "Log that the database keeps for the source.", _slot_retained),
            ("kb_source_connector_up", "1 where connector and task run; absent while paused.", _up),
            ("kb_source_database_up", "1 where the database answers; absent while paused.", _database_up),
            ("kb_source_dead_letters", "Events that wait for a person.", _dead_letters),
        ):
            gauge = GaugeMetricFamily(name, meaning, labels=("collection", "source"))
            for labels, status in sorted(self._monitor.seen.items()):
                value = None if name in OF_RUNNING and labels in self._monitor.resting else read(status)
                if value is not None:
                    gauge.add_metric(labels, value)
            yield gauge


def _lag_events(status: SourceStatus) -> float | None:
    return status.lag_events


def _lag_seconds(status: SourceStatus) -> float | None:
    return status.lag_seconds


def _slot_lag(status: SourceStatus) -> float | None:
    return status.database.get("slot_lag_bytes")


def _slot_retained(status: SourceStatus) -> float | None:
    return status.database.get("slot_retained_bytes")


def _up(status: SourceStatus) -> float:
    return float(status.connector.running)


def _database_up(status: SourceStatus) -> float | None:
    return None if status.database_answers is None else float(status.database_answers)


def _dead_letters(status: SourceStatus) -> float | None:
    return status.dead_letters
