"""Removes what a source brought: its documents, its dead letters, its row in the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from api.knowledge_base import KnowledgeBase
from retrieval.catalog import Collection, Commit
from retrieval.catalog.sources import SourceRecord
from retrieval.types import Deletion

DELETE_AT_ONCE = 1_000  # documents of one transaction

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
    delete_keys(kb, collection, chosen)
    return len(chosen)


def delete_keys(kb: KnowledgeBase, collection: Collection, keys: Sequence[str]) -> None:
    """Without a position, and as nobody's: what a later source sends under these keys counts."""
    for start in range(0, len(keys), DELETE_AT_ONCE):
        deletions = [Deletion(key, "") for key in keys[start : start + DELETE_AT_ONCE]]
        kb.catalog.writer.commit(collection.id, Commit(deletions))
    if keys:
        kb.nudge(collection.id)
