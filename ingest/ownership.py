"""Whose a document is: sources of one collection never overwrite or delete each other's.

Two folders may each have a `readme.md`. The one that was there first keeps it; the other's file is told as a failure,
with what to do, and tried again at each run, so that it comes in once the key is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ingest.changes import Change, ChangeBatch, Failure
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.sources import SourceRecord, SourceState


class Ownership:
    """Knows which keys other sources of the collection hold. What clients wrote belongs to nobody."""

    def __init__(self, catalog: Catalog, collection: Collection, source: SourceRecord) -> None:
        self._catalog = catalog
        self._collection = collection
        self._source = source

    def without_foreign_documents(self, batch: ChangeBatch) -> ChangeBatch:
        """The batch with a failure in the place of each change of a document that another source holds."""
        held = self._held(batch.changes)
        if not held:
            return batch
        kept = tuple(change for change in batch.changes if change.key not in held)
        refused = tuple(_refused(change, held[change.key]) for change in batch.changes if change.key in held)
        return replace(batch, changes=kept, failures=batch.failures + refused)

    def _held(self, changes: Sequence[Change]) -> dict[str, str]:
        # asked each time: another source may have been ingested for the first time while this one is read
        others = {
            other.name
            for other in (self._catalog.sources.all(self._collection) if changes else ())
            if other.id != self._source.id and other.state is not SourceState.DELETING
        }
        if not others:
            return {}
        owners = self._catalog.documents.owners(self._collection, {change.key for change in changes})
        return {key: owner for key, owner in owners.items() if owner in others}


def _refused(change: Change, owner: str) -> Failure:
    return Failure(
        change.key,
        f"{change.key} is a document of source {owner} of this collection already",
        "give one of the two another key (kb ingest --prefix), ingest it under that source's name (--source), or "
        "delete that source",
        position=change.position,
    )
