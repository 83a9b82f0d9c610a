"""Tasks that keep the views sound: verify, compaction, snapshot.

Over all collections, one that cannot be used keeps no other waiting; the job then fails at its end and names it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, runtime_checkable

from api.jobs.compaction import compact_catalog
from api.jobs.tasks import Report
from api.knowledge_base import KnowledgeBase
from api.serving.collection_runtime import CollectionRuntime
from api.upkeep.maintenance import verify_collection
from api.upkeep.per_collection import PerCollection
from api.upkeep.stray_views import drop_stray_views

_LOOK_SECONDS = 0.05  # between two looks at a rewrite under way


@runtime_checkable
class Compactable(Protocol):
    """A view that can be rewritten without what was deleted, while it serves."""

    @property
    def is_compacting(self) -> bool:
        """Whether a rewrite is under way."""
        ...

    def compact(self) -> None:
        """Begin one."""
        ...

    def wait_compacted(self) -> None:
        """Take its result over."""
        ...


def verify(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Compare every view with the catalog; `in_step` says whether all agree now."""
    results = []
    tries = PerCollection(kb.catalog, names := _names(kb, collection))
    for number, name in enumerate(names):
        report(number, len(names))
        with tries.each(name):
            results.append(verify_collection(kb, name, repair=arguments["repair"]))
    report(len(names), len(names))
    differing = [result for result in results if not (result.in_step or result.repaired)]
    tries.finish("; ".join(result.sentence() for result in differing))
    return {"in_step": not differing, "collections": [result.to_dict() for result in results]}


def compaction(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Free what catalog and views no longer need; searches and writes go on. How many of each kind were deleted."""
    tries = PerCollection(kb.catalog, names := _names(kb, collection))
    if not collection:
        drop_stray_views(kb)
    freed = compact_catalog(kb, names, arguments, report, tries)
    for number, name in enumerate(names):
        report(number, len(names))
        with tries.each(name), kb.runtimes.use(name) as runtime:
            _compact(runtime, partial(report, number, len(names)))
    report(len(names), len(names))
    tries.finish()
    return freed | {"collections": names}


def snapshot(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Make the views durable, so that the next start replays only what comes later; those maintained elsewhere stay."""
    saved: dict[str, int] = {}
    tries = PerCollection(kb.catalog, names := _names(kb, collection))
    for number, name in enumerate(names):
        report(number, len(names))
        with tries.each(name), kb.runtimes.use(name) as runtime:
            if _save(runtime):
                saved[name] = runtime.follower.seq
    report(len(names), len(names))
    tries.finish()
    return {"saved": saved, "maintained_elsewhere": [name for name in names if name not in saved]}


def _names(kb: KnowledgeBase, collection: str) -> list[str]:
    """That collection, or all of them. Raises `NotFoundError`."""
    if collection:
        return [kb.catalog.collections.get(collection).name]
    return [one.name for one in kb.catalog.collections.all()]


def _compact(runtime: CollectionRuntime, look: Callable[[], None]) -> None:
    follower = runtime.follower
    view = follower.views.dense
    if isinstance(view, Compactable):
        with follower.paused():
            view.compact()
        while view.is_compacting:
            look()
            time.sleep(_LOOK_SECONDS)
        with follower.paused():
            view.wait_compacted()
    _save(runtime)


def _save(runtime: CollectionRuntime) -> bool:
    """Make the views durable; False where another process maintains them."""
    if not runtime.follower.is_durable:
        return False
    with runtime.follower.paused():
        runtime.follower.save()
    return True
