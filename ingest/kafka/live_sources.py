"""The live sources that a worker reads, and which topic belongs to which of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.connect.names import table_topics
from ingest.errors import MappingError
from ingest.sources.column_kinds import Kinds, kinds_of
from ingest.table_mapping import TablesMapping, mapping_of_tables
from retrieval.catalog import Catalog
from retrieval.catalog.sources import SourceRecord
from retrieval.types import SourcePosition

logger = logging.getLogger(__name__)

LIVE = "database"  # the kind of source whose changes come over Kafka


def mapping_of(record: SourceRecord) -> TablesMapping:
    """The source's mapping. Raises `MappingError`."""
    return mapping_of_tables(record.config["tables"])


@dataclass(frozen=True, slots=True)
class LiveSource:
    """One active source with its mapping, read from the record's configuration."""

    record: SourceRecord
    mapping: TablesMapping
    topics: frozenset[str]
    kinds: Kinds
    watermarks: Mapping[str, SourcePosition]  # of tables that were asked for again, as `read_message` takes them

    @classmethod
    def of(cls, record: SourceRecord) -> LiveSource:
        """The source that a record describes. Raises `MappingError`."""
        mapping = mapping_of(record)
        topics = frozenset(table_topics(record.config["topic_prefix"], mapping.all_tables))
        watermarks = {table: SourcePosition.decode(at) for table, at in record.config.get("watermarks", {}).items()}
        return cls(record, mapping, topics, kinds_of(record.config.get("types", {})), watermarks)


@dataclass(slots=True)
class LiveSources:
    """What `Catalog.sources.live` says, looked at again by `refresh`."""

    catalog: Catalog
    by_id: Mapping[int, LiveSource] = field(default_factory=dict)
    by_topic: Mapping[str, LiveSource] = field(default_factory=dict)
    _refused: dict[int, str] = field(default_factory=dict)  # told once, not every second

    def refresh(self) -> bool:
        """Whether the topics to read are others than before. Raises `OutageError`."""
        before = set(self.by_topic)
        known = self.by_id
        found = {record.id: self._opened(record, known.get(record.id)) for record in self.catalog.sources.live(LIVE)}
        self.by_id = {number: source for number, source in found.items() if source is not None}
        self.by_topic = {topic: source for source in self.by_id.values() for topic in source.topics}
        return set(self.by_topic) != before

    def current(self, source: LiveSource) -> LiveSource:
        """The source by its mapping of now, which `refresh` may not have seen; as it was where it is read no longer."""
        records = [record for record in self.catalog.sources.live(LIVE) if record.id == source.record.id]
        return (self._opened(records[0], source) if records else None) or source

    def _opened(self, record: SourceRecord, known: LiveSource | None) -> LiveSource | None:
        if known is not None and known.record.config == record.config:
            return known
        try:
            source = LiveSource.of(record)
        except (MappingError, KeyError) as error:
            self._refuse(record, f"{error}")
            return None
        self._refused.pop(record.id, None)
        return source

    def _refuse(self, record: SourceRecord, reason: str) -> None:
        if self._refused.get(record.id) != reason:
            logger.error("source %s is not read: %s; correct its mapping, the others go on", record.name, reason)
        self._refused[record.id] = reason
