"""The schedules that every knowledge base has: they look after it and change nothing a person can see."""

from __future__ import annotations

from api.knowledge_base import KnowledgeBase
from api.wire.jobs import CompactionArguments, NoArguments, RetentionArguments, VerifyArguments
from retrieval.catalog.schedules import NewSchedule

DAY, HOUR = 86_400, 3_600  # seconds

DEFAULTS = (
    NewSchedule("verify-daily", "verify", "", VerifyArguments().model_dump(mode="json"), DAY),
    NewSchedule("compaction-daily", "compaction", "", CompactionArguments().model_dump(mode="json"), DAY),
    NewSchedule("retention-daily", "retention", "", RetentionArguments().model_dump(mode="json"), DAY),
    # Off: the views save themselves as they go, this only makes a start after a crash a little quicker.
    NewSchedule("snapshot-hourly", "snapshot", "", NoArguments().model_dump(mode="json"), HOUR, enabled=False),
)
DEFAULT_NAMES = frozenset(one.name for one in DEFAULTS)


def make_default_schedules(kb: KnowledgeBase) -> bool:
    """Make those that are missing; always True, once they are there."""
    known = {one.name for one in kb.catalog.schedules.all()}
    for one in DEFAULTS:
        if one.name not in known:
            kb.catalog.schedules.ensure(one)
    return True
