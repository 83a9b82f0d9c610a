"""How long a change takes until searches of this process see it, by collection and source.

The threads that follow the log only note the moment; another looks up once a second what those operations were.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram

from api.knowledge_base import KnowledgeBase
from api.lookout import Lookout
from retrieval.catalog import Collection
from retrieval.catalog.arrivals import Arrival

LOOK_SECONDS = 1.0  # between two looks; nobody scrapes more often
MAX_OPERATIONS = 2_000  # of a collection in one look: the newest stand for a flood, and a look stays a matter of 20 ms
MAX_MOMENTS = 10_000  # noted between two looks; every batch of each view is one
BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.1, 0.15, 0.2, 0.35, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Moment:
    """From `at` (seconds since 1970) on, searches of the collection saw operation `seq`."""

    collection: Collection
    seq: int
    at: float


Seen = Callable[[Collection, Arrival, float], None]  # a document became searchable at that second


class SearchableMonitor(Lookout):
    """Observes every operation once, whichever generation shows it first; what came before the start is not counted."""

    def __init__(self, kb: KnowledgeBase, registry: CollectorRegistry, seen: Seen | None = None) -> None:
        super().__init__("searchable", LOOK_SECONDS, "freshness is not measured")
        self._kb = kb
        self._seen = seen
        self._moments: deque[Moment] = deque(maxlen=MAX_MOMENTS)
        self._counted: dict[int, int] = {}  # collection -> the last operation looked up
        labels = ("collection", "source")
        self._fresh = Histogram(
            "kb_searchable_seconds",
            "From a change's commit at its source until searches here see it.",
            labels,
            registry=registry,
            buckets=BUCKETS,
        )
        self._followed = Histogram(
            "kb_catalog_to_searchable_seconds",
            "From a change's commit in the catalog until searches here see it.",
            labels,
            registry=registry,
            buckets=BUCKETS,
        )
        kb.runtimes.listen(self.heard)

    def heard(self, collection: Collection, seq: int) -> None:
        """Note the moment; takes about a microsecond."""
        self._moments.append(Moment(collection, seq, time.time()))

    def look(self) -> None:
        """Observe what became searchable since the last look. Raises `RetrievalError` where the catalog is out."""
        noted: dict[int, list[Moment]] = {}
        while self._moments:
            moment = self._moments.popleft()
            noted.setdefault(moment.collection.id, []).append(moment)
        for moments in noted.values():
            self._observe(moments)

    def _observe(self, moments: Sequence[Moment]) -> None:
        collection = moments[0].collection
        moments = sorted(moments, key=lambda moment: (moment.seq, moment.at))
        after = self._counted.setdefault(collection.id, moments[0].seq)
        last = moments[-1].seq
        self._counted[collection.id] = max(after, last)
        after = max(after, last - MAX_OPERATIONS)
        if after >= last:
            return
        reached = [moment.seq for moment in moments]
        for arrival in self._kb.catalog.arrivals.between(collection.id, after, last):
            self._count(collection, arrival, moments[bisect_left(reached, arrival.seq)].at)

    def _count(self, collection: Collection, arrival: Arrival, at: float) -> None:
        labels = (collection.name, arrival.source)
        self._followed.labels(*labels).observe(max(0.0, at - arrival.cataloged_at.timestamp()))
        if arrival.committed_at is not None:
            self._fresh.labels(*labels).observe(max(0.0, at - arrival.committed_at.timestamp()))
        if self._seen is not None:
            self._seen(collection, arrival, at)
