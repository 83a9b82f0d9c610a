"""What must be free before a source takes it or is changed: its name, the tables it maps, the lease on its servers."""

from __future__ import annotations

import shlex

from api.knowledge_base import KnowledgeBase
from ingest.table_mapping import TablesMapping
from retrieval.catalog import Collection
from retrieval.catalog.sources import SourceRecord
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
        _check_tables(collection, other, mapping, "map it once, delete that source, or use another collection")


def check_tables_free(
    kb: KnowledgeBase, collection: Collection, mapping: TablesMapping, source: str, kind: str
) -> None:
    """Raises `ConflictError` where a source of another name maps one of the tables; `source` itself may do so again."""
    for other in kb.catalog.sources.all(collection):
        if other.name != source:
            delete = f"kb sources delete {shlex.quote(other.name)} -c {collection.name}"
            advice = f"delete that source with its documents ({delete}), or use another collection"
            if other.kind == kind:
                go_on = f"name the source (--source {shlex.quote(other.name)})"
                advice = f"to go on with that database, {go_on}; otherwise {advice}"
            _check_tables(collection, other, mapping, advice)


def _check_tables(collection: Collection, other: SourceRecord, mapping: TablesMapping, advice: str) -> None:
    """Rows of two sources would take each other's place: a document is known by table and key."""
    # what is read by a command has its tables with its joins
    theirs = {*other.config.get("tables", {}), *other.config.get("joins", {})}
    if shared := sorted(theirs & set(mapping.tables)):
        raise ConflictError(
            f"table {', '.join(shared)} is mapped by source {other.name!r} of collection {collection.name!r} already; "
            f"{advice}"
        )


def lease_name(record: SourceRecord) -> str:
    """Of the lease of whoever changes what a source has at its servers."""
    return f"source/{record.id}"
