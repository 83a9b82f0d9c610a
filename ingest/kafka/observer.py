"""What a worker tells those who watch it; the entry points turn it into metrics and lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Protocol

from ingest.changes import RowEvent
from ingest.kafka.message import Message
from retrieval.catalog import Outcome, Upsert
from retrieval.catalog.offsets import Partition
from retrieval.types import Deletion


@dataclass(slots=True)
class Stages:
    """Seconds spent by stage; `encode` is a part of preparing and is taken out of `prepare`."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the `with`."""
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - began

    @contextmanager
    def without(self, name: str, clock: Callable[[], float]) -> Iterator[None]:
        """What another clock counts inside the `with` is its own stage; take it out of the `prepare` around it."""
        began = clock()
        try:
            yield
        finally:
            spent = clock() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + spent
            self.seconds["prepare"] = self.seconds.get("prepare", 0.0) - spent


SourceName = tuple[str, str]  # collection, source: names of sources are unique within a collection only


@dataclass(frozen=True, slots=True)
class Applied:
    """One committed batch of one source."""

    collection: str
    source: str
    events: int
    outcomes: Counter[Outcome]
    dead_letters: int
    stages: Mapping[str, float]  # seconds
    committed_at: Sequence[datetime]  # at the source, of each change
    cataloged_at: datetime
    collection_id: int
    source_id: int
    read: Sequence[tuple[Message, Sequence[RowEvent]]] = ()  # what each message said
    written: Sequence[tuple[Upsert | Deletion, Outcome]] = ()  # what came of each change
    newest: Mapping[Partition, datetime] = field(default_factory=dict)  # commit of its newest event, at the source


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a source's events are ahead of the catalog, as this worker sees its partitions."""

    waiting: Mapping[Partition, int]  # messages not yet applied; a partition without any may be left out

    @property
    def events(self) -> int:
        """The messages of all partitions."""
        return sum(self.waiting.values())


class Observer(Protocol):
    """Hears what a worker does, in the worker's thread: be quick."""

    def applied(self, batch: Applied) -> None:
        """A batch was committed."""
        ...

    def polled(self, seconds: float) -> None:
        """Messages came, after so long a wait."""
        ...

    def lag(self, by_source: Mapping[SourceName, Lag]) -> None:
        """Measured about once a second, for the partitions that this worker reads of all sources that are live."""
        ...

    def stopped_for(self, reason: str, pause_seconds: float) -> None:
        """Something does not answer; the next try follows after the pause."""
        ...

    def ended(self) -> None:
        """The worker has stopped."""
        ...


class Unobserved:
    """An `Observer` that nobody looks at."""

    def applied(self, batch: Applied) -> None:
        """See `Observer`."""

    def polled(self, seconds: float) -> None:
        """See `Observer`."""

    def lag(self, by_source: Mapping[SourceName, Lag]) -> None:
        """See `Observer`."""

    def stopped_for(self, reason: str, pause_seconds: float) -> None:
        """See `Observer`."""

    def ended(self) -> None:
        """See `Observer`."""
