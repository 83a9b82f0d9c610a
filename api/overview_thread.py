"""Looks at everything twice a second while somebody watches, and every ten seconds for the charts while nobody does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from api.http.listeners import Listeners
from api.knowledge_base import KnowledgeBase
from api.readiness import Readiness
from api.sources.monitor import SourceMonitor
from api.sources.status import SourceStatus
from api.telemetry import alerts
from api.telemetry.alerts import Alert
from api.telemetry.history import STEP_SECONDS, History
from api.telemetry.overview import CollectionNow, Overview, SourceNow
from ingest.connect.client import RESTING
from retrieval.catalog import Collection
from retrieval.catalog.jobs import JobFilter, JobRecord, JobState
from retrieval.catalog.sources import SourceRecord, SourceState
from retrieval.errors import NotFoundError, RetrievalError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
COUNT_SECONDS = 5.0  # between two counts of a collection that changes: counting reads an index
NEWEST_JOBS = 50
NOTICES_FOR = timedelta(days=7)  # then a changed column is no news


class OverviewThread:
    """The newest overview, and the thread that renews it."""

    def __init__(self, kb: KnowledgeBase, monitor: SourceMonitor, readiness: Readiness, history: History) -> None:
        self._kb = kb
        self._monitor = monitor
        self._readiness = readiness
        self.history = history
        self.newest = Overview(datetime.now(UTC))
        self._looked_at = -float("inf")
        self._looking = threading.Lock()
        self._wake = threading.Event()
        self.listeners = Listeners(self._wake.set)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._counts: dict[int, tuple[int, float, tuple[int, int]]] = {}  # collection -> (seq, when, sizes)
        self._operations: int | None = None
        self.is_ending: Callable[[], bool] = self._stopping.is_set  # whether listeners should leave

    def start(self) -> None:
        """Begin to look."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="overview", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; returns once the look under way is done."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def current(self) -> Overview:
        """An overview at most half a second old; blocks. Raises `RetrievalError` where the catalog cannot be read."""
        with self._looking:
            if time.monotonic() - self._looked_at > LOOK_SECONDS * 0.9:  # a thread that waited so long is never early
                self.newest = self._look()
                self._looked_at = time.monotonic()
            return self.newest

    def _run(self) -> None:
        step_ends = time.monotonic() + STEP_SECONDS
        while not self._stopping.is_set():
            self._wake.wait(LOOK_SECONDS if self.listeners.count else max(0.0, step_ends - time.monotonic()))
            self._wake.clear()
            try:
                if self.listeners.count:
                    self.current()
                if time.monotonic() >= step_ends:
                    self._close_step()
            except RetrievalError as error:
                logger.warning("the overview cannot be renewed: %s; tried again", error)
            except Exception:  # watching must never end because of what it watches
                logger.exception("the overview cannot be renewed; tried again")
            if time.monotonic() >= step_ends:
                step_ends = time.monotonic() + STEP_SECONDS

    def _close_step(self) -> None:
        now = self.current()
        operations = sum(one.last_seq for one in now.collections)
        before, self._operations = self._operations, operations
        counts = dict(now.job_counts)
        written = 0 if before is None else max(0, operations - before)  # a deleted collection takes its own away
        lag = sum(one.lag or 0 for one in now.collections)
        self.history.close_step(written, lag, counts.get("queued", 0) + counts.get("running", 0))

    def _look(self) -> Overview:
        found = self._kb.catalog.collections.all()
        self._counts = {one.id: self._counts[one.id] for one in found if one.id in self._counts}
        collections = tuple(now for one in found if (now := self._collection(one)) is not None)
        notices = self._kb.catalog.source_tables.counts_since(datetime.now(UTC) - NOTICES_FOR)
        sources = tuple(
            self._source(one, record, notices.get(record.id, 0))
            for one in found
            for record in self._kb.catalog.sources.all(one)
        )
        counts: dict[str, int] = {}
        for (_, state), count in self._kb.catalog.jobs.counts().items():
            counts[state.value] = counts.get(state.value, 0) + count
        told = tuple(self._alerts(collections, sources, counts.get("queued", 0)))
        return Overview(datetime.now(UTC), collections, sources, self._jobs(), tuple(sorted(counts.items())), told)

    def _collection(self, record: Collection) -> CollectionNow | None:
        """How it stands; None where it is deleted at this moment."""
        last, searchable = record.last_seq, None
        if record.name in self._kb.runtimes.open_names():
            try:
                fresh = self._kb.freshness(record.name)
            except NotFoundError:
                return None
            last, searchable = fresh["last_seq"], fresh["searchable_seq"]
        documents, chunks = self._sizes(record, last)
        lag = None if searchable is None else max(0, last - searchable)
        return CollectionNow(record.name, documents, chunks, last, searchable, lag)

    def _sizes(self, record: Collection, seq: int) -> tuple[int, int]:
        counted_seq, at, sizes = self._counts.get(record.id, (-1, -float("inf"), (0, 0)))
        if counted_seq == seq or time.monotonic() - at < COUNT_SECONDS:
            return sizes
        sizes = self._kb.catalog.documents.counts(record)
        self._counts[record.id] = (seq, time.monotonic(), sizes)
        return sizes

    def _source(self, collection: Collection, record: SourceRecord, notices: int) -> SourceNow:
        seen: SourceStatus | None = self._monitor.seen.get((collection.name, record.name))
        dead_letters = self._kb.catalog.sources.count_dead_letters(record)
        return SourceNow(
            collection=collection.name,
            name=record.name,
            kind=record.kind,
            state=record.state.value,
            updated_at=record.updated_at,
            dead_letters=dead_letters,
            connector=None if seen is None else seen.connector.state,
            lag_events=None if seen is None else seen.lag_events,
            lag_seconds=None if seen is None else seen.lag_seconds,
            problems=() if seen is None else tuple(seen.problems),
            notices=notices,
        )

    def _jobs(self) -> tuple[JobRecord, ...]:
        jobs = self._kb.catalog.jobs
        running = jobs.page(NEWEST_JOBS, None, JobFilter(JobState.RUNNING.value))
        found = {job.id: job for job in (*jobs.page(NEWEST_JOBS), *running)}
        return tuple(sorted(found.values(), key=lambda job: job.created_at, reverse=True))

    def _alerts(
        self, collections: tuple[CollectionNow, ...], sources: tuple[SourceNow, ...], queued: int
    ) -> Iterator[Alert]:
        troubles = self._kb.troubles()
        for one in collections:
            unusable = self._readiness.unusable.get(one.name, "")
            yield from alerts.of_collection(one.name, one.lag, troubles.get(one.name, {}), unusable)
        for source in sources:
            rests = source.state != SourceState.ACTIVE.value or source.connector in RESTING
            lag = None if rests else source.lag_seconds  # somebody wants it to be old
            yield from alerts.of_source(source.collection, source.name, lag, source.dead_letters, source.problems)
        names = {one.id: one.name for one in self._kb.catalog.collections.all()}
        for rollout in self._kb.catalog.rollouts.newest():
            if rollout.collection_id in names:
                yield from alerts.of_rollout(names[rollout.collection_id], rollout)
        yield from alerts.of_process(self.history.steps, queued)
