"""How far the catalog is behind Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ingest.kafka.applier import Positions
from ingest.kafka.consumer import GroupConsumer
from ingest.kafka.live_sources import LiveSource
from ingest.kafka.observer import Lag, SourceName
from retrieval.catalog.offsets import Partition


def lag_of(
    consumer: GroupConsumer, sources: Iterable[LiveSource], positions: Mapping[int, Positions]
) -> dict[SourceName, Lag]:
    """Events not yet applied, by source, over the partitions that this worker reads."""
    ours = consumer.assigned
    found = {}
    for source in sources:
        waiting = {}
        for partition, offset in positions.get(source.record.id, {}).items():
            end = consumer.highwater(partition) if partition in ours else None
            if end is not None and end > (offset or 0):
                waiting[partition] = end - (offset or 0)
        found[source.record.collection, source.record.name] = Lag(waiting)
    return found


def caught_up(goal: Mapping[Partition, tuple[int, int]], stored: Mapping[Partition, int]) -> bool:
    """Whether every partition of `goal`, (first, next) offset, was read to its end."""
    return all(stored.get(partition, first) >= after for partition, (first, after) in goal.items())
