"""The REST routes, one file per family. `VERSIONED` live under /v1, the others at the root."""

from __future__ import annotations

from fastapi import APIRouter

from api.routes import (
    answers,
    audit,
    bulk,
    collections,
    dify,
    documents,
    eval_sets,
    feedback,
    files,
    health,
    jobs,
    keys,
    mcp,
    openai,
    plans,
    search,
    sources,
)

VERSIONED: tuple[APIRouter, ...] = (
    search.router,
    answers.router,
    openai.router,
    dify.router,
    documents.router,
    bulk.router,
    files.router,
    collections.router,
    keys.router,
    feedback.router,
    eval_sets.router,
    plans.router,
    sources.router,
    jobs.router,
    audit.router,
)
UNVERSIONED: tuple[APIRouter, ...] = (mcp.router, health.router)
