"""Rows that wait for a large value which no event told are read once more at their source.

Events of PostgreSQL leave out large values that an update did not touch. A mapping that names another such column has
its table read again, but Debezium gives up what it read of a row that changes at that moment, for the event of that
change says all, as it thinks.
"""

from __future__ import annotations

import logging

from api.knowledge_base import KnowledgeBase
from api.sources.live_sources import LiveSources
from ingest.connect.tables import reading
from ingest.incomplete import ROWS_INCOMPLETE
from ingest.kafka.live_sources import mapping_of
from ingest.reconcile import Reconciler
from retrieval.catalog.sources import SourceRecord

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 1_000  # between two looks at the sources; each may have to be embedded


def bring_waiting(kb: KnowledgeBase, record: SourceRecord) -> int:
    """Read rows that wait, where a notice told of some; how many waited. The notice goes once none does.

    Raises `IngestError` where the database does not serve us, `OvertakenError` where a worker is faster each time.
    """
    told = kb.catalog.source_tables.newest(record.id, ROWS_INCOMPLETE)
    if told is None:
        return 0
    live = LiveSources(kb)
    with kb.runtimes.use(live.collection_of(record).name) as runtime:
        reconciler = Reconciler(kb.catalog, runtime.collection, record, mapping_of(record), runtime.pipeline)
        with reading(live.address(record)) as connection:
            count = reconciler.mend_waiting(connection, ROWS_AT_ONCE)
    if count:
        logger.info("source %s: %d rows waited for large values and were read at the source", record.name, count)
    else:
        kb.catalog.source_tables.settle(record.id, ROWS_INCOMPLETE, told)
    return count
