"""One attempt at a job in this process: run its task, pass on its progress, settle its state."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from api.jobs.asking import check_collection, checked_arguments
from api.jobs.failure_codes import INTERNAL, failure_code
from api.jobs.kinds import TASKS
from api.jobs.observer import Observer, Unobserved
from api.jobs.tasks import InterruptedJobError, caller_of, without_caller
from api.knowledge_base import KnowledgeBase
from infra.registry import RegistryError
from ingest.errors import IngestError, SourceOutageError
from retrieval.catalog.jobs import MAX_ATTEMPTS, SILENT_SECONDS, JobRecord
from retrieval.disk import refusal
from retrieval.errors import OutageError, RetrievalError

logger = logging.getLogger(__name__)

REPORT_SECONDS = 0.2  # between two writes of progress, each a transaction; what comes sooner waits for a heartbeat


class Attempt:
    """Runs one claimed job. `beat` is called by another thread while `run` works."""

    def __init__(self, kb: KnowledgeBase, job: JobRecord, stopping: Callable[[], bool]) -> None:
        self.job = job
        self._kb = kb
        self._stopping = stopping
        self._is_lost = False
        self._done = self._told = (job.done, job.total)
        self._reported_at = 0.0
        self._telling = threading.Lock()  # that no older progress is written after a newer

    def run(self, observer: Observer | None = None) -> str:
        """Do the work; how it ended: succeeded, failed, stopped, postponed, or unknown where the catalog is away.

        After the last two the job is taken up again once its heartbeat is old.
        """
        began = time.monotonic()
        try:
            outcome = self._run()
        except OutageError as error:
            logger.warning("job %s (%s): %s; it is taken up again later", self.job.id, self.job.kind, error)
            outcome = "unknown"
        (observer or Unobserved()).job(self.job.kind, outcome, time.monotonic() - began)
        return outcome

    def beat(self) -> None:
        """Say that this attempt is alive and how far it is, and learn whether it is still wanted."""
        try:
            self._is_lost = not self._kb.catalog.jobs.beat(self.job)
            if self._told != self._done:  # a last report that came too soon: the work may say nothing for long
                self._tell()
        except OutageError as error:
            logger.warning("job %s sends no heartbeat: %s; tried again", self.job.id, error)
        except Exception:  # one job's trouble must not silence the others of this process
            logger.exception("job %s sends no heartbeat; tried again", self.job.id)

    def _run(self) -> str:
        try:
            result = self._work()
        except InterruptedJobError:
            return self._stopped()
        except (OutageError, SourceOutageError) as error:
            return self._postponed(error)
        except (RetrievalError, IngestError, RegistryError) as error:
            return self._failed(str(error), failure_code(error))
        except Exception as error:  # a thread's end is nobody's to see: the job must say that it failed
            if (refused := refusal(error)) is not None:
                return self._postponed(refused)
            logger.exception("job %s (%s) failed", self.job.id, self.job.kind)
            return self._failed("something went wrong here; the server's log has it under the job's id", INTERNAL)
        if not self._kb.catalog.jobs.succeed(self.job, result, *self._done):
            return self._stopped()
        return "succeeded"

    def _work(self) -> dict[str, Any]:
        task = TASKS.create(self.job.kind)
        check_collection(task, self.job.kind, self.job.collection)  # schedules of former versions may name one
        arguments = checked_arguments(task, self.job.kind, without_caller(self.job.arguments))
        if task.as_caller:
            arguments["principal"] = caller_of(self.job.arguments)
        if task.dated:
            arguments["asked_at"] = self.job.created_at
        return task.run(self._kb, self.job.collection, arguments, self._report)

    def _report(self, done: int, total: int | None) -> None:
        self._done = (done, total)
        if self._stopping() or self._is_lost:
            raise InterruptedJobError
        if time.monotonic() - self._reported_at < REPORT_SECONDS:
            return
        self._reported_at = time.monotonic()
        if not self._tell():
            raise InterruptedJobError

    def _tell(self) -> bool:
        """Write how far the work is; False when it should stop."""
        with self._telling:
            told = self._done
            is_wanted = self._kb.catalog.jobs.progress(self.job, *told)
            self._told = told
            return is_wanted

    def _failed(self, error: str, code: str) -> str:
        if self._told != self._done:
            self._tell()  # where it failed
        return "failed" if self._kb.catalog.jobs.fail(self.job, error, code) else self._stopped()

    def _postponed(self, error: Exception) -> str:
        """What we depend on does not answer: let the job rest, so that it is taken up again in a while."""
        if self.job.attempts >= MAX_ATTEMPTS:
            return self._failed(str(error), failure_code(error))
        if not self._kb.catalog.jobs.rest(self.job):
            return self._stopped()
        logger.warning("job %s (%s): %s; tried again in %g s", self.job.id, self.job.kind, error, SILENT_SECONDS)
        return "postponed"

    def _stopped(self) -> str:
        jobs = self._kb.catalog.jobs
        if jobs.put_back(self.job):
            logger.info("job %s (%s) is queued again: this process stops", self.job.id, self.job.kind)
        else:
            jobs.let_go(self.job)
            logger.info("job %s (%s) was cancelled or taken over; its work stopped", self.job.id, self.job.kind)
        return "stopped"
