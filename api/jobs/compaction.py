"""Frees what the catalog and the data folder no longer need: old operations, versions, generations, views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from api.generations.reindex import retire_generation
from api.knowledge_base import KnowledgeBase
from api.serving.collection_runtime import drop_generation_views
from api.upkeep.per_collection import PerCollection
from retrieval.catalog import Collection
from retrieval.catalog.generations import GenerationState
from retrieval.catalog.schema import utc_now

VERSIONS_DAYS = 30  # until then a deletion can be undone; afterwards the text is gone for good
OPERATIONS_DAYS = 7  # a replica that was down for longer builds its views from the catalog


def compact_catalog(
    kb: KnowledgeBase,
    names: Sequence[str],
    arguments: dict[str, Any],
    report: Callable[[int, int | None], None],
    tries: PerCollection,
) -> dict[str, Any]:
    """Drop what nobody needs of these collections; how many of each kind. `tries` is told which of them failed.

    `operations_days`: how long the log is kept; `versions_days`: former versions, and with them deleted documents;
    `standby_days`: how long after it served a generation is kept for a rollback (None: until it is retired).
    Embeddings are shared by collections and pruned for all. May be repeated.
    """
    deleted = {"operations": 0, "versions": 0, "generations": 0, "chunks": 0, "embeddings": 0}
    report(0, len(names) + 1)
    for done, name in enumerate(names, 1):
        with tries.each(name):
            record = kb.catalog.collections.get(name)
            deleted["operations"] += _prune_operations(kb, record, arguments.get("operations_days", OPERATIONS_DAYS))
            deleted["versions"] += _prune_versions(kb, record, arguments.get("versions_days", VERSIONS_DAYS))
            deleted["chunks"] += _drop_retired(kb, record)
            deleted["generations"] += _retire_standby(kb, record, arguments.get("standby_days"))
        report(done, len(names) + 1)
    deleted["embeddings"] = sum(map(kb.catalog.pruning.embeddings, kb.catalog.pruning.fingerprints()))
    report(len(names) + 1, len(names) + 1)
    return {"deleted": deleted}


def _prune_operations(kb: KnowledgeBase, record: Collection, days: int | None) -> int:
    if days is None:
        return 0
    before, total = utc_now() - timedelta(days=days), 0
    while deleted := kb.catalog.pruning.operations(record, before):
        total += deleted
    return total


def _prune_versions(kb: KnowledgeBase, record: Collection, days: int | None) -> int:
    return 0 if days is None else kb.catalog.versions.prune(record, utc_now() - timedelta(days=days))


def _retire_standby(kb: KnowledgeBase, record: Collection, days: int | None) -> int:
    if days is None:
        return 0
    before = utc_now() - timedelta(days=days)
    serving = kb.catalog.generations.get(record, record.generation)
    if serving.activated_at is None or serving.activated_at > before:
        return 0  # the former one left off serving when this one began
    standby = [one for one in kb.catalog.generations.all(record) if one.state is GenerationState.STANDBY]
    for one in standby:
        retire_generation(kb, record.name, one.id)
    return len(standby)


def _drop_retired(kb: KnowledgeBase, record: Collection) -> int:
    """Chunks and views that a retirement left, since it was interrupted or another process had them open."""
    total = 0
    while dropped := kb.catalog.recutting.drop_retired(record):
        total += dropped
    for one in kb.catalog.generations.all(record):
        if one.state is GenerationState.RETIRED:
            drop_generation_views(kb.settings.data_dir, record, one.id)
    return total
