"""Compares the live sources of a collection with the catalog; see `ingest.reconcile`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from api.knowledge_base import KnowledgeBase
from api.serving.collection_runtime import CollectionRuntime
from api.sources.live_sources import LiveSources
from api.sources.second_look import confirmed
from api.upkeep.verification_result import EXAMPLES, SourceVerificationResult
from ingest.connect.address import DatabaseAddress
from ingest.connect.tables import reading
from ingest.errors import IngestError
from ingest.kafka.live_sources import LIVE, mapping_of
from ingest.reconcile import Reconciler, SourceDifferences
from ingest.rendering import document_key
from retrieval.catalog.sources import SourceRecord, SourceState

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class SourceComparison:
    """What differs in one source, and the way to mend it."""

    reconciler: Reconciler | None = None
    address: DatabaseAddress | None = None
    differences: SourceDifferences = field(default_factory=SourceDifferences)
    unreachable: str = ""

    @property
    def result(self) -> SourceVerificationResult:
        """In numbers, with some of the keys."""
        rows = Counter(one.kind.value for one in self.differences.rows)
        documents = Counter(kind.value for kind in self.differences.documents.values())
        keys = [document_key(one.table, one.key) for one in self.differences.rows]
        examples = list(dict.fromkeys([*keys, *self.differences.documents]))[:EXAMPLES]
        return SourceVerificationResult(self.differences.rows_compared, rows, documents, examples, self.unreachable)

    def mend(self, damaged: Collection[str]) -> None:
        """Bring what differs, and its documents among the damaged ones, from the source.

        Raises `SourceOutageError`, `OvertakenError`.
        """
        if self.reconciler is None or self.address is None:
            return
        own = self.reconciler.distrust(damaged)
        if own or self.differences.found:
            with reading(self.address) as connection:
                self.reconciler.mend(connection, self.differences)


def compare_sources(kb: KnowledgeBase, runtime: CollectionRuntime) -> dict[str, SourceComparison]:
    """Each live database of the collection, by name; one that cannot be reached says so."""
    records = [one for one in kb.catalog.sources.all(runtime.collection) if one.kind == LIVE]
    return {one.name: _compared(kb, runtime, one) for one in records if one.state is not SourceState.DELETING}


def _compared(kb: KnowledgeBase, runtime: CollectionRuntime, record: SourceRecord) -> SourceComparison:
    try:
        address = LiveSources(kb).address(record)
        mapping = mapping_of(record)
        reconciler = Reconciler(kb.catalog, runtime.collection, record, mapping, runtime.pipeline)
        differences = confirmed(address, reconciler.compare)
    except IngestError as error:
        logger.warning("source %s cannot be compared: %s", record.name, error)
        return SourceComparison(unreachable=str(error))
    return SourceComparison(reconciler, address, differences)
