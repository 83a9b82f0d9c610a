"""Asking for a job: its kind, collection and arguments are checked before it is stored."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from api.jobs.kinds import TASKS
from api.jobs.tasks import Task
from api.knowledge_base import KnowledgeBase
from infra.registry import RegistryError
from retrieval.errors import InvalidInputError


def task_of(kind: str) -> Task:
    """The task of that kind. Raises `InvalidInputError` naming the known ones."""
    try:
        return TASKS.create(kind)
    except RegistryError as error:
        raise InvalidInputError(str(error)) from error


def checked(kb: KnowledgeBase, kind: str, collection: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as they are to be stored, with every default.

    Raises `InvalidInputError` where they or the collection do not fit the kind, `NotFoundError` for the collection.
    """
    task = task_of(kind)
    if collection:
        kb.catalog.collections.get(collection)
    elif task.needs_collection:
        raise InvalidInputError(f"a job of kind {kind!r} is of one collection; name it")
    return checked_arguments(task, kind, arguments)


def checked_arguments(task: Task, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with every default, as JSON. Raises `InvalidInputError`."""
    try:
        return task.arguments.model_validate(arguments).model_dump(mode="json")
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"]) or "arguments"
        raise InvalidInputError(
            f"a job of kind {kind!r} cannot take these arguments: {field}: {problem['msg']}"
        ) from error
