"""The REST routes, one file per family. `VERSIONED` live under /v1, the others at the root."""

from __future__ import annotations

from fastapi import APIRouter

from api.routes import bulk, collections, documents, files, health, keys, search, sources

VERSIONED: tuple[APIRouter, ...] = (
    search.router,
    documents.router,
    bulk.router,
    files.router,
    collections.router,
    keys.router,
    sources.router,
)
UNVERSIONED: tuple[APIRouter, ...] = (health.router,)
