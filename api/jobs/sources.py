"""The task that has a database read again: a live one beside the changes that go on streaming, another as a whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from api.jobs.tasks import Report
from api.knowledge_base import KnowledgeBase
from api.sources.live_changes import chosen_tables
from api.sources.live_sources import LiveSources
from api.sources.snapshot_sources import SNAPSHOT, SnapshotSources
from retrieval.catalog.sources import SourceRecord


def check_source_snapshot(kb: KnowledgeBase, collection: str, arguments: dict[str, Any]) -> None:
    """Raise at once what `source_snapshot` would fail with at its beginning, unless it may be mended until then."""
    found = kb.catalog.collections.get(collection)
    record = kb.catalog.sources.get(found, arguments["source"])
    if record.kind != SNAPSHOT:
        chosen_tables(LiveSources(kb).get(found, record.name), arguments["tables"])


def source_snapshot(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """What is being read again, its rows arriving like other changes; of a source that is not live, what it brought."""
    found = kb.catalog.collections.get(collection)
    record = kb.catalog.sources.get(found, arguments["source"])
    if record.kind == SNAPSHOT:
        return _read(kb, collection, record, report, bool(arguments.get("allow_mass_deletion")))
    report(0, 1)
    live = LiveSources(kb)
    asked = live.snapshot(live.get(found, record.name), arguments["tables"])
    report(1, 1)
    return asdict(asked)


def _read(
    kb: KnowledgeBase, collection: str, record: SourceRecord, report: Report, allow_mass_deletion: bool
) -> dict[str, Any]:
    """Counts of a reading; `done` are documents looked at."""
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        report(done, None)

    report(0, None)
    read = SnapshotSources(kb).read(collection, record, progress, allow_mass_deletion=allow_mass_deletion)
    return read.to_dict()
