"""Rows that went between two attempts of a connector to read everything for the first time.

An attempt that is interrupted is made once more, from the beginning, and the log counts from the last one on. What the
first had sent, and is deleted by then, no event tells.
"""

from __future__ import annotations

from api.knowledge_base import KnowledgeBase
from api.sources.second_look import confirmed
from ingest.connect.address import DatabaseAddress
from ingest.connect.tables import reading
from ingest.kafka.live_sources import mapping_of
from ingest.reconcile import Reconciler
from retrieval.catalog import Collection
from retrieval.catalog.sources import SourceRecord


def remove_gone(kb: KnowledgeBase, collection: Collection, record: SourceRecord, address: DatabaseAddress) -> int:
    """Forget the stored rows that the database does not have, and delete their documents; how many rows.

    Raises `IngestError` where the database does not serve us, `OvertakenError` where a worker is faster each time.
    """
    with kb.runtimes.use(collection.name) as runtime:
        reconciler = Reconciler(kb.catalog, runtime.collection, record, mapping_of(record), runtime.pipeline)
        gone = confirmed(address, reconciler.surplus)
        if gone.found:
            with reading(address) as connection:
                reconciler.mend_rows(connection, gone)
    return len(gone.rows)
