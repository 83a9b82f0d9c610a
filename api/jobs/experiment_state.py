"""Where an experiment stands, told from who works on it: whoever was killed could not write it down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from api.knowledge_base import KnowledgeBase
from retrieval.catalog import Collection
from retrieval.catalog.experiments import ExperimentRecord, ExperimentState
from retrieval.catalog.jobs import OPEN_STATES, JobFilter, JobRecord
from retrieval.errors import ConflictError
from search_core.artifact.artifacts import RUNS
from search_core.log.run_lock import FILE, is_running

JOBS = 1000  # of a collection that are looked through, the newest


def state_of(kb: KnowledgeBase, collection: Collection, record: ExperimentRecord) -> ExperimentState:
    """As the catalog has it, but stopped where it says running, no job is to do it and no process works on it.

    Without a job, a run of another data folder cannot be looked at, and counts as running.
    """
    if record.state is not ExperimentState.RUNNING:
        return record.state
    jobs, folder = _jobs_of(kb, collection, record), _folder_of(kb, record)
    if _is_worked_on(jobs, folder):
        return ExperimentState.RUNNING
    return ExperimentState.STOPPED if jobs or (folder / FILE).exists() else ExperimentState.RUNNING


def check_idle(kb: KnowledgeBase, collection: str, experiment: str) -> None:
    """Raise `NotFoundError` where there is no such experiment, `ConflictError` where it runs or is about to."""
    found = kb.catalog.collections.get(collection)
    record = kb.catalog.experiments.get(found, experiment)
    jobs = _jobs_of(kb, found, record)
    if _is_worked_on(jobs, _folder_of(kb, record)):
        job = next((f"job {job.id}" for job in jobs if job.state.value in OPEN_STATES), "`kb tune`")
        raise ConflictError(f"experiment {experiment!r} is run by {job} now; wait for its end, or end it, and ask then")


def _is_worked_on(jobs: Sequence[JobRecord], folder: Path) -> bool:
    return any(job.state.value in OPEN_STATES for job in jobs) or is_running(folder)


def _jobs_of(kb: KnowledgeBase, collection: Collection, record: ExperimentRecord) -> list[JobRecord]:
    wanted = JobFilter(kind="tune", collections=(collection.name,))
    return [one for one in kb.catalog.jobs.page(JOBS, wanted=wanted) if one.arguments.get("experiment") == record.id]


def _folder_of(kb: KnowledgeBase, record: ExperimentRecord) -> Path:
    return kb.settings.data_dir / RUNS / record.id
