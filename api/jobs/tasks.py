"""What a task is: a plain function over the knowledge base, with arguments that can be checked and stored.

    def greet(kb, collection, arguments, report):
        report(1, 1)
        return {"greeted": arguments["whom"]}

A job names its task and its arguments and nothing else, so any process can run it, and run it again: a task is
idempotent. A third party registers one with the entry point group `autoglm_kb.task`, naming a function without
arguments that returns the `Task`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from api.knowledge_base import KnowledgeBase
from retrieval.catalog.keys import Scope
from retrieval.types import OPERATOR, Principal

Report = Callable[[int, int | None], None]  # (done, total or None); raises `InterruptedJobError`

CALLER = "_caller"  # stored beside the arguments, set by us alone: no argument's name begins with an underscore


class InterruptedJobError(Exception):
    """The work must stop here: the job was cancelled or taken away, or the process ends. Let it pass."""


class TaskFunction(Protocol):
    """The work itself; `collection` is "" for all of them. What it returns is the job's result, as JSON."""

    def __call__(self, kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
        """Do it, calling `report` often: that is where a job is stopped."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of job.

    `scope` may ask for it, `needs_collection` is False where it can also run over all of them, `takes_collection` is
    False where it cannot be held to one. A `shared` task changes what all collections have in common, whatever
    collection it is given: keys limited to some may not ask for it. `as_caller` tasks see what the asking caller may
    see: they find a `Principal` in `arguments["principal"]`. `dated` tasks find in `arguments["asked_at"]` when they
    were asked for, so that they know what an attempt of before has done. `fits` raises what the work would fail with at
    its beginning, so that who asks is told at once.
    """

    run: TaskFunction
    arguments: type[BaseModel]
    scope: Scope = Scope.ADMIN
    needs_collection: bool = True
    takes_collection: bool = True
    shared: bool = False
    as_caller: bool = False
    dated: bool = False
    fits: Callable[[KnowledgeBase, str, dict[str, Any]], None] = lambda kb, collection, arguments: None


def with_caller(arguments: dict[str, Any], principal: Principal) -> dict[str, Any]:
    """The arguments as a job stores them, with whose rights it has."""
    rights = {"name": principal.name, "groups": sorted(principal.groups), "sees_all": principal.sees_all}
    return arguments | {CALLER: rights}


def without_caller(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as a person gave them."""
    return {name: value for name, value in arguments.items() if name != CALLER}


def caller_of(arguments: dict[str, Any]) -> Principal:
    """Whose rights a stored job has; the operator's where no caller asked for it."""
    rights = arguments.get(CALLER)
    if rights is None:
        return OPERATOR
    return Principal(rights["name"], frozenset(rights["groups"]), rights["sees_all"])
