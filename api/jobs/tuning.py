"""The task that runs an experiment of the search core; interrupted, it goes on from the experiment's log."""

from __future__ import annotations

import logging
from typing import Any

from api.generations.tuned_encoder import let_serve
from api.jobs.experiment_state import check_idle
from api.jobs.tasks import Report
from api.knowledge_base import KnowledgeBase
from retrieval.catalog.experiments import ExperimentState
from retrieval.errors import OutageError, RetrievalError
from search_core.errors import RunningError
from search_core.offered_encoders import waits
from search_core.request import Request
from search_core.stages.plan_tier import CANDIDATES_PER_EPOCH
from search_core.tiers import TIERS
from search_core.trainer import AutoModelTrainer

logger = logging.getLogger(__name__)


def check_tune(kb: KnowledgeBase, collection: str, arguments: dict[str, Any]) -> None:
    """Raise at once what `tune` would fail with at its beginning, or after waiting in vain for another run's end."""
    check_idle(kb, collection, arguments["experiment"])


def tune(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """The experiment's result, as `kb tune --json` prints it."""
    record = kb.catalog.experiments.get(kb.catalog.collections.get(collection), arguments["experiment"])
    done = record.state is ExperimentState.FINISHED and record.result is not None
    if record.result is not None and done and not waits(record.result):
        return record.result  # the job is delivered again: its worker fell when all but the job's end was written
    if record.result is not None and waits(record.result):  # ended while the generation was built
        return dict(let_serve(kb, collection, record.id, record.result, report))
    request = Request.from_dict(record.request)
    trials: tuple[int, int | None] = (0, request.max_epochs * CANDIDATES_PER_EPOCH)  # done, total

    def advance(told: dict[str, Any]) -> None:
        nonlocal trials
        done, total = int(told["trial"]), request.max_epochs * CANDIDATES_PER_EPOCH
        trials = (min(done, total), total) if told["tier"] == TIERS[0] else (done, None)  # others go on by time
        report(*trials)

    try:
        trainer = AutoModelTrainer.of(
            request,
            settings=kb.settings,
            catalog=kb.catalog,
            encoder_of=kb.open_encoder,
            progress=advance,
            wanted=lambda: report(*trials),  # cancelled after the last trial, nothing serves either
            experiment=record.id,
        )
    except RetrievalError as error:  # such as a device that this worker's machine lacks
        kb.catalog.experiments.finish(record.id, ExperimentState.FAILED, {"error": str(error)})
        raise
    logger.info("experiment %s of %s: task understood as: %s", record.id, collection, trainer.spec.describe())
    try:
        result = trainer.run().to_dict()
    except RunningError as error:  # in a process that was taken for dead: it may end, so this is tried again
        raise OutageError(str(error)) from error
    return dict(let_serve(kb, collection, record.id, result, report)) if waits(result) else result
