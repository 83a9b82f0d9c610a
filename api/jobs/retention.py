"""The task that deletes what is done with: ended jobs, files, dead keys, old runs and, where asked, audit records."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from api.jobs.tasks import Report
from api.jobs.uploads import prune_uploads
from api.knowledge_base import KnowledgeBase
from retrieval.catalog.schema import utc_now

STEPS = 4
EVAL_RUNS_DAYS = 365  # a schedule of before there were runs does not say


def retention(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """How many of each kind were deleted."""
    deleted = {"jobs": 0, "uploads": 0, "keys": 0, "audit": 0, "eval_runs": 0}
    report(0, STEPS)
    if (moment := _moment(arguments["jobs_days"])) is not None:
        deleted["jobs"] = len(kb.catalog.jobs.prune(moment))
        deleted["uploads"] = prune_uploads(kb.settings, moment)
    report(1, STEPS)
    if (moment := _moment(arguments["keys_days"])) is not None:
        deleted["keys"] = kb.catalog.keys.prune(moment)
    report(2, STEPS)
    if (moment := _moment(arguments["audit_days"])) is not None:
        deleted["audit"] = kb.catalog.audit.prune(moment)
    report(3, STEPS)
    if (moment := _moment(arguments.get("eval_runs_days", EVAL_RUNS_DAYS))) is not None:
        deleted["eval_runs"] = kb.catalog.eval_runs.prune(moment)
    report(STEPS, STEPS)
    return {"deleted": deleted}


def _moment(days: int | None) -> datetime | None:
    return None if days is None else utc_now() - timedelta(days=days)
