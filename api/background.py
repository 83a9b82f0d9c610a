"""Long work in this process: a small pool of threads, with the state of each job in the catalog."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ingest.errors import IngestError
from retrieval.catalog.jobs import JobRecord, Jobs
from retrieval.errors import RetrievalError

logger = logging.getLogger(__name__)

THREADS = 2
Report = Callable[[int, int | None], None]  # (done, total); raises `JobCancelled`
Work = Callable[[Report], dict[str, Any]]


class JobCancelledError(Exception):
    """The job was cancelled by a person; its work stops at the next report."""


class JobRunner:
    """Runs jobs of one process. `close` lets running ones stop at their next report."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="job")
        self._closing = False

    def submit(self, kind: str, collection: str, arguments: dict[str, Any], work: Work) -> JobRecord:
        """Queue the work; its record."""
        job = self._jobs.create(kind, collection, arguments)
        self._pool.submit(self._run, job, work)
        return job

    def close(self) -> None:
        """Start no more jobs, and wait for the running ones to stop."""
        self._closing = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: JobRecord, work: Work) -> None:
        if not self._jobs.start(job.id):
            return
        try:
            self._jobs.succeed(job.id, work(self._report(job)))
        except JobCancelledError:
            logger.info("job %s (%s) was cancelled", job.id, job.kind)
        except (RetrievalError, IngestError) as error:
            self._jobs.fail(job.id, str(error))
        except Exception:  # a thread's end is nobody's to see: the job must say that it failed
            logger.exception("job %s (%s) failed", job.id, job.kind)
            self._jobs.fail(job.id, "something went wrong here; the server's log has it under the job's id")

    def _report(self, job: JobRecord) -> Report:
        def report(done: int, total: int | None) -> None:
            if self._closing:
                self._jobs.fail(job.id, "the server was stopped; start the job again")
                raise JobCancelledError
            if not self._jobs.progress(job.id, done, total):
                raise JobCancelledError

        return report
