"""The REST API, top to bottom: what it stands on, the layers every request passes, the routes.

A request passes, outside in: the envelope (request id, headers, audit, metrics, traces, last word on failures), the
console's built files, the limit on requests in flight, authentication, the caller's rate limit, the body limit, and
then its route, which asks for the scope it needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from api.access.audit import Auditor
from api.access.limits import MAX_IN_FLIGHT, ConcurrencyLimit, RateLimit
from api.access.security import Authentication
from api.envelope import Envelope
from api.http import errors
from api.http.bodies import BodyLimit, Patience
from api.http.openapi import DESCRIPTION, TAGS, describe
from api.knowledge_base import KnowledgeBase
from api.routes import PREFIX, UNVERSIONED, VERSIONED, let_paths_hold_line_breaks, templates
from api.routes.console import ConsoleAssets, add_console
from api.routes.console_oidc import add_oidc_login
from api.services import Services, of_app
from infra.settings import Settings


def create_app(
    kb: KnowledgeBase, settings: Settings, *, in_flight: int = MAX_IN_FLIGHT, patience: Patience | None = None
) -> FastAPI:
    """The application over an open knowledge base, which stays the caller's to close.

    Raises `SettingsError` where the settings of the token issuer do not fit together, or traces cannot be sent.
    """
    app = FastAPI(
        title="autoglm-kb",
        description=DESCRIPTION,
        version=version("autoglm-kb"),
        openapi_tags=TAGS,
        openapi_url=None,  # `describe` adds it: building it takes seconds, which the event loop must not wait for
        docs_url=None,  # the interactive pages load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    services = app.state.services = Services.of(kb, settings)
    errors.install(app)
    _add_layers(app, services, in_flight, patience or Patience())
    let_paths_hold_line_breaks()
    for router in VERSIONED:
        app.include_router(router, prefix=PREFIX)
    for router in UNVERSIONED:
        app.include_router(router)
    add_oidc_login(app)
    add_console(app, services.console_files)
    describe(app)
    return app


def _add_layers(app: FastAPI, services: Services, in_flight: int, patience: Patience) -> None:
    """From the innermost to the outermost, as `add_middleware` wraps."""
    settings = services.settings
    app.add_middleware(BodyLimit, most=settings.max_body_bytes, patience=patience)
    if settings.rate_limit_per_minute:
        app.add_middleware(RateLimit, per_minute=settings.rate_limit_per_minute)
    app.add_middleware(Authentication, authenticator=services.authenticator)
    app.add_middleware(ConcurrencyLimit, most=in_flight)
    app.add_middleware(ConsoleAssets, files=services.console_files)
    auditor = Auditor(services.kb.catalog.audit)
    app.add_middleware(
        Envelope, metrics=services.metrics, auditor=auditor, templates=templates(), traces=services.traces
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    with of_app(app).running():
        yield
