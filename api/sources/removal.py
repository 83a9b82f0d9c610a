"""Removes what a source brought: its documents, its dead letters, its row in the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from api.knowledge_base import KnowledgeBase
from ingest.rendering import document_key
from retrieval.catalog import Collection, Commit, Outcome
from retrieval.catalog.sources import SourceRecord
from retrieval.types import Deletion, SourcePosition

DELETE_AT_ONCE = 1_000  # documents of one transaction
BEFORE_ALL = SourcePosition(())  # whatever has a position is newer

Fate = Literal["delete", "keep"]


def remove_source(kb: KnowledgeBase, collection: Collection, record: SourceRecord, documents: Fate) -> int:
    """Forget a source that nothing outside of the catalog belongs to; how many documents were deleted with it."""
    gone = delete_documents(kb, collection, record) if documents == "delete" else 0
    kb.catalog.sources.forget_positions(collection, record.name)
    kb.catalog.sources.drop_dead_letters(collection, record.name)
    kb.catalog.sources.delete(record)
    return gone


def delete_documents(kb: KnowledgeBase, collection: Collection, record: SourceRecord, table: str | None = None) -> int:
    """Delete all documents of the source, or of one of its tables; how many."""
    keys = kb.catalog.documents.keys(collection, record.name)
    chosen = sorted(key for key in keys if table is None or key.startswith(f"{table}/"))
    # Without a position, and as nobody's: what a later source sends under these keys counts.
    _delete(kb, collection, [Deletion(key, "") for key in chosen])
    return len(chosen)


def remove_unbrought(kb: KnowledgeBase, collection: Collection, record: SourceRecord, tables: Iterable[str]) -> int:
    """Delete the documents of these tables that a full snapshot did not bring; how many.

    Raises `ConflictError` where the source was changed since `record`.
    """
    sources, tables = kb.catalog.sources, tuple(tables)
    beginnings = tuple(f"{table}/" for table in tables)  # what others wrote under its name stays
    unplaced = {key for key in sources.unplaced_keys(collection, record.name) if key.startswith(beginnings)}
    rows = sources.rows(record)  # a repair brings rows without a position
    unseen = sorted(unplaced - {document_key(table, key) for table in tables for key in rows.keys(table)})
    # Another full snapshot leaves every document unplaced. That none had begun when the keys were read is sure only
    # after this; what one brings from here on has a position, and stays.
    record = sources.change(record, unless_changed=True, config=record.config)
    gone = _delete(kb, collection, [Deletion(key, record.name, BEFORE_ALL) for key in unseen])
    config = {name: value for name, value in record.config.items() if name != "rebuilding"}
    sources.change(record, unless_changed=True, config=config)
    return gone


def _delete(kb: KnowledgeBase, collection: Collection, deletions: Sequence[Deletion]) -> int:
    deleted = 0
    for start in range(0, len(deletions), DELETE_AT_ONCE):
        receipt = kb.catalog.writer.commit(collection.id, Commit(deletions[start : start + DELETE_AT_ONCE]))
        deleted += receipt.counts()[Outcome.DELETED]
    if deletions:
        kb.nudge(collection.id)
    return deleted
