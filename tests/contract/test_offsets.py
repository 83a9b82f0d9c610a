"""How far partitions were read, and until when what came of them was true, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from retrieval.catalog import Catalog, Collection, Commit
from retrieval.catalog.offsets import OffsetAdvance

TOPIC = "kb.public.faqs"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_what_tells_no_time_leaves_the_former_one(catalog: Catalog, handbook: Collection) -> None:
    source = catalog.sources.register(handbook, "shop", "database").id

    def read(start: int | None, end: int, at: datetime | None, partition: int = 0) -> None:
        advance = OffsetAdvance(source, TOPIC, partition, start, end, at)
        catalog.writer.commit(handbook.id, Commit(offsets=[advance]))

    assert catalog.offsets.committed(source) == {}
    read(None, 1, None, partition=1)
    read(None, 3, NOON)
    read(3, 4, None)  # a tombstone, or a dead letter
    assert catalog.offsets.committed(source) == {(TOPIC, 0): NOON}
    read(4, 9, NOON + timedelta(hours=1))
    read(1, 2, NOON, partition=1)
    assert catalog.offsets.committed(source) == {(TOPIC, 0): NOON + timedelta(hours=1), (TOPIC, 1): NOON}
    assert catalog.offsets.read(source) == {(TOPIC, 0): 9, (TOPIC, 1): 2}
