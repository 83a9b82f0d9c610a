"""Where an experiment stands, told from who works on it: whoever was killed could not write it down."""

from __future__ import annotations

from api.knowledge_base import KnowledgeBase
from retrieval.catalog import Collection
from retrieval.catalog.experiments import ExperimentRecord, ExperimentState
from retrieval.catalog.jobs import OPEN_STATES, JobFilter
from search_core.artifact.artifacts import RUNS
from search_core.log.run_lock import FILE, is_running

JOBS = 1000  # of a collection that are looked through, the newest


def state_of(kb: KnowledgeBase, collection: Collection, record: ExperimentRecord) -> ExperimentState:
    """As the catalog has it, but stopped where it says running, no job is to do it and no process works on it.

    Without a job, a run of another data folder cannot be looked at, and counts as running.
    """
    if record.state is not ExperimentState.RUNNING:
        return record.state
    wanted = JobFilter(kind="tune", collections=(collection.name,))
    jobs = [one for one in kb.catalog.jobs.page(JOBS, wanted=wanted) if one.arguments.get("experiment") == record.id]
    folder = kb.settings.data_dir / RUNS / record.id
    if any(job.state.value in OPEN_STATES for job in jobs) or is_running(folder):
        return ExperimentState.RUNNING
    return ExperimentState.STOPPED if jobs or (folder / FILE).exists() else ExperimentState.RUNNING
