"""Notices when Kafka no longer has what was to be read next: retention passed us, or a topic was made anew."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ingest.kafka.applier import Positions
from ingest.kafka.consumer import GroupConsumer
from ingest.kafka.live_sources import LiveSource
from ingest.kafka.message import Message
from retrieval.catalog import Catalog, Commit
from retrieval.catalog.offsets import Partition
from retrieval.catalog.source_tables import Notice, TableState, TableWrite

logger = logging.getLogger(__name__)

EXPIRED, RECREATED = "events_expired", "topic_recreated"


class Losses:
    """Compares what arrives with what was expected. Reading goes on from the earliest message that is there."""

    def __init__(self, catalog: Catalog, consumer: GroupConsumer) -> None:
        self._catalog = catalog
        self._consumer = consumer

    def notice(self, source: LiveSource, messages: Sequence[Message], positions: Positions) -> None:
        """Tell loudly, in the log and in the source's notices, where messages are missing. Raises `OutageError`."""
        first: dict[Partition, int] = {}
        for message in messages:
            first.setdefault(message.stream, message.offset)
        for partition, offset in first.items():
            expected = positions.get(partition)
            if expected is None or offset == expected:
                continue
            if offset < expected:
                self._tell(source, partition, RECREATED, expected, offset)
            elif self._consumer.beginnings([partition]).get(partition, 0) > expected:
                self._tell(source, partition, EXPIRED, expected, offset)

    def _tell(self, source: LiveSource, partition: Partition, kind: str, expected: int, found: int) -> None:
        topic, number = partition
        what = "was made anew" if kind == RECREATED else "no longer has what was to be read next"
        message = (
            f"topic {topic}, partition {number}, {what}: expected offset {expected}, found {found}; "
            f"reading goes on from there, take a new snapshot of source {source.record.name} so that nothing is missing"
        )
        logger.error("%s", message)
        detail = {"topic": topic, "partition": number, "expected": expected, "found": found}
        notice = Notice(kind, _table(source, topic), message, detail)
        write = TableWrite(source.record.id, notice.table, TableState(), (notice,))
        self._catalog.writer.commit(source.record.collection_id, Commit(rows=(write,)))


def _table(source: LiveSource, topic: str) -> str:
    prefix = source.record.config["topic_prefix"] + "."
    return next((table for table in source.mapping.all_tables if topic == prefix + table), topic.removeprefix(prefix))
