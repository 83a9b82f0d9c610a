"""The REST routes, one file per family. `VERSIONED` live under /v1, the others at the root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.convertors import PathConvertor, register_url_convertor

from api.routes import (
    answers,
    audit,
    bulk,
    collections,
    console_live,
    console_session,
    dead_letters,
    dify,
    document_history,
    documents,
    eval_runs,
    eval_sets,
    experiments,
    feedback,
    files,
    generations,
    health,
    jobs,
    keys,
    mcp,
    openai,
    plans,
    rollouts,
    schedules,
    search,
    source_log,
    sources,
    why,
)

VERSIONED: tuple[APIRouter, ...] = (
    search.router,
    why.router,
    answers.router,
    openai.router,
    dify.router,
    document_history.router,
    documents.router,
    bulk.router,
    files.router,
    collections.router,
    generations.router,
    generations.rollback_router,
    keys.router,
    feedback.router,
    eval_sets.router,
    eval_runs.router,
    rollouts.router,  # before the plans: `rollout` is no plan's name
    plans.router,
    experiments.router,
    sources.router,
    source_log.router,
    dead_letters.router,
    jobs.router,
    schedules.router,
    audit.router,
    console_live.router,
)
UNVERSIONED: tuple[APIRouter, ...] = (mcp.router, health.router, console_session.router)
PREFIX = "/v1"


class _WholePath(PathConvertor):
    """What `{key:path}` takes: line breaks too, which keys from databases may hold and Starlette's own ends at."""

    regex = r"[\s\S]*"


def let_paths_hold_line_breaks() -> None:
    """To be called before the routers are included in an app; may be called again."""
    register_url_convertor("path", _WholePath())


def templates() -> Mapping[Callable[..., Any], str]:
    """The whole path template of each route by its function; a matched route itself knows only its router's part."""
    found = {route.endpoint: route.path for router in UNVERSIONED for route in _routes(router)}
    return found | {route.endpoint: f"{PREFIX}{route.path}" for router in VERSIONED for route in _routes(router)}


def _routes(router: APIRouter) -> list[APIRoute]:
    return [route for route in router.routes if isinstance(route, APIRoute)]
