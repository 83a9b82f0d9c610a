"""The OpenAPI document: words, tags, and the key that all but the open paths need."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from api.access.open_paths import OPENAPI_PATH, is_open
from api.http.responses import JsonResponse

DESCRIPTION = """Search and cited answers over documents and databases, each caller seeing only what he may read.

Send a key as `Authorization: Bearer KEY`. Every failure is `{"error": {"code", "message", "detail"?, "request_id"}}`;
every response carries `X-Request-Id`. Writes return `seq`; a search with `min_seq` sees that write. Lists take `limit`
and `cursor`."""

TAGS = [
    {"name": "search", "description": "Passages by words and by meaning."},
    {"name": "answers", "description": "Answers with citations, or an honest refusal."},
    {"name": "openai", "description": "OpenAI's contract: chat, models, embeddings. Models are collections."},
    {"name": "dify", "description": "Dify's external-knowledge contract."},
    {"name": "documents", "description": "Write, read and delete documents."},
    {"name": "collections", "description": "Sets of documents with settings of their own."},
    {"name": "keys", "description": "Who may do what."},
    {"name": "evaluation", "description": "Feedback and evaluation sets."},
    {"name": "plans", "description": "How a collection searches: store, compare, promote, roll back."},
    {"name": "operations", "description": "Sources, dead letters, jobs, schedules, the audit log."},
    {"name": "console", "description": "Logging in to the console, and what its overview and live pages read."},
    {"name": "mcp", "description": "Model Context Protocol."},
    {"name": "health", "description": "Probes and metrics."},
]

_SCHEME = {"type": "http", "scheme": "bearer", "description": "An API key, or a JSON Web Token of the issuer."}


def describe(app: FastAPI) -> None:
    """Let the application build its document once, with the security scheme, and serve it from a thread."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents

    @app.get(OPENAPI_PATH, include_in_schema=False)
    def schema() -> Response:
        return JsonResponse(app.openapi())


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, tags=app.openapi_tags, routes=app.routes
    )
    document.setdefault("components", {})["securitySchemes"] = {"key": _SCHEME}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["security"] = [] if is_open(path, method.upper()) else [{"key": []}]
    return document
