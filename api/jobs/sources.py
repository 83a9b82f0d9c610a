"""The task that has a live database read again, beside the changes that go on streaming."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from api.jobs.tasks import Report
from api.knowledge_base import KnowledgeBase
from api.live_sources import LiveSources


def source_snapshot(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """What is being read again; the rows arrive like other changes, and those that came before change nothing."""
    report(0, 1)
    live = LiveSources(kb)
    record = live.get(kb.catalog.collections.get(collection), arguments["source"])
    asked = live.snapshot(record, arguments["tables"])
    report(1, 1)
    return asdict(asked)
