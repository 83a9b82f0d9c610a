"""How everything stands at one moment: collections, sources, jobs, alerts; and what of it a caller may see."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from api.access.callers import Caller
from api.jobs.presentation import job_json_for
from api.telemetry.alerts import Alert
from retrieval.catalog.jobs import JobRecord


@dataclass(frozen=True, slots=True)
class CollectionNow:
    """A collection: its size, its last operation, and how far searches of this process are (None: not open here)."""

    name: str
    documents: int
    chunks: int
    last_seq: int
    searchable_seq: int | None
    lag: int | None


@dataclass(frozen=True, slots=True)
class SourceNow:
    """A source; lag and connector are None where it is no live one, or could not be asked."""

    collection: str
    name: str
    kind: str
    state: str
    updated_at: datetime
    dead_letters: int
    connector: str | None
    lag_events: int | None
    lag_seconds: float | None
    problems: tuple[str, ...]
    notices: int  # of the last days


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything at one moment; jobs are those that run and the newest others."""

    at: datetime
    collections: tuple[CollectionNow, ...] = ()
    sources: tuple[SourceNow, ...] = ()
    jobs: tuple[JobRecord, ...] = ()
    job_counts: tuple[tuple[str, int], ...] = ()  # state -> how many
    alerts: tuple[Alert, ...] = ()

    def freshness_for(self, caller: Caller) -> list[dict[str, Any]]:
        """The collections that the caller's rights cover."""
        return [asdict(one) for one in self.collections if caller.reaches(one.name)]

    def sources_for(self, caller: Caller) -> list[dict[str, Any]]:
        """Their sources; what a problem says, for operators only."""
        shown = [one for one in self.sources if caller.reaches(one.collection)]
        return [asdict(one) | ({} if caller.sees_all else {"problems": []}) for one in shown]

    def jobs_for(self, caller: Caller) -> list[dict[str, Any]]:
        """Their jobs as the caller may see them, newest first."""
        return [job_json_for(job, caller) for job in self.jobs if caller.reaches(job.collection)]

    def alerts_for(self, caller: Caller) -> list[dict[str, Any]]:
        """What the caller should know, the worst first."""
        order = {"error": 0, "warning": 1, "info": 2}
        told = sorted((one for one in self.alerts if one.concerns(caller)), key=lambda one: order[one.severity])
        hidden = {"private"}
        return [{name: value for name, value in asdict(one).items() if name not in hidden} for one in told]
