"""Asking for a job, or for another attempt; kind, collection and arguments are checked before it is stored."""

from __future__ import annotations

import time
from typing import Any

from pydantic import ValidationError

from api.http.errors import problem_words
from api.jobs.identity import is_gone
from api.jobs.kinds import TASKS
from api.jobs.tasks import Task
from api.knowledge_base import KnowledgeBase
from infra.registry import RegistryError
from retrieval.catalog.jobs import JobRecord, Jobs
from retrieval.errors import InvalidInputError, NotStoppedError

STOP_SECONDS = 3.0  # what a cancelled job's work is given to stop; most reports of progress, where it does, are sooner
_LOOK_SECONDS = 0.05


def task_of(kind: str) -> Task:
    """The task of that kind. Raises `InvalidInputError` naming the known ones."""
    try:
        return TASKS.create(kind)
    except RegistryError as error:
        raise InvalidInputError(str(error)) from error


def checked(kb: KnowledgeBase, kind: str, collection: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as they are to be stored, with every default.

    Raises `InvalidInputError` where they or the collection do not fit the kind, `NotFoundError` for the collection, and
    what the kind says of them (`Task.fits`).
    """
    task = task_of(kind)
    check_collection(task, kind, collection)
    if collection:
        kb.catalog.collections.get(collection)
    found = checked_arguments(task, kind, arguments)
    task.fits(kb, collection, found)
    return found


def check_collection(task: Task, kind: str, collection: str) -> None:
    """Raises `InvalidInputError` where a collection is missing, or is named for what cannot be held to one."""
    if task.needs_collection and not collection:
        raise InvalidInputError(f"a job of kind {kind!r} is of one collection; name it")
    if collection and not task.takes_collection:
        raise InvalidInputError(
            f"a job of kind {kind!r} acts on all collections at once and cannot be held to {collection!r}; name none"
        )


def checked_arguments(task: Task, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with every default, as JSON. Raises `InvalidInputError`."""
    try:
        return task.arguments.model_validate(arguments).model_dump(mode="json")
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"]) or "arguments"
        words = problem_words(problem, task.arguments, problem["loc"])
        raise InvalidInputError(f"a job of kind {kind!r} cannot take these arguments: {field}: {words}") from error


def tried_again(jobs: Jobs, job_id: str, patience: float = STOP_SECONDS) -> JobRecord:
    """Queue a failed or cancelled job anew; who cancels and at once wants it again waits for the work to stop.

    Raises `NotFoundError`, or `ConflictError` where the job is in another state or its work goes on after so many
    seconds.
    """
    until = time.monotonic() + patience
    while True:
        try:
            return jobs.retry(job_id, is_gone)
        except NotStoppedError:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK_SECONDS)
