"""What must be free before a source takes it: its name, and the tables whose rows become documents."""

from __future__ import annotations

from api.knowledge_base import KnowledgeBase
from ingest.table_mapping import TablesMapping
from retrieval.catalog import Collection
from retrieval.errors import ConflictError


def check_free(
    kb: KnowledgeBase, collection: Collection, mapping: TablesMapping, name: str = "", but: int | None = None
) -> None:
    """Raises `ConflictError` where another source of the collection has the name, or maps one of the tables."""
    for other in kb.catalog.sources.all(collection):
        if other.id == but:
            continue
        if other.name == name:
            raise ConflictError(
                f"source {name!r} exists already in collection {collection.name!r}; delete it or choose another name"
            )
        shared = sorted(set(other.config.get("tables", {})) & set(mapping.tables))
        if shared:
            raise ConflictError(
                f"table {', '.join(shared)} is mapped by source {other.name!r} of collection {collection.name!r} "
                "already; map it once, or use another collection"
            )
