"""The REST API, top to bottom: what it stands on, the layers every request passes, the routes.

A request passes, outside in: the envelope (request id, headers, audit, metrics, traces, last word on failures), the
console's built files, the limit on requests in flight, authentication, the caller's rate limit, the body limit, and
then its route, which asks for the scope it needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from api.access.audit import Auditor
from api.access.oidc_login import OidcLogin
from api.access.security import Authentication, Authenticator
from api.access.sessions import Sessions
from api.access.tokens import TokenVerifier
from api.http import errors
from api.http.bodies import BodyLimit, Patience
from api.http.console_files import ConsoleFiles
from api.http.envelope import Envelope
from api.http.limits import MAX_IN_FLIGHT, ConcurrencyLimit, RateLimit
from api.http.listeners import Listeners
from api.http.openapi import DESCRIPTION, TAGS, describe
from api.http.waits import Waits
from api.http.workers import Workers
from api.jobs.opening import open_jobs
from api.knowledge_base import KnowledgeBase
from api.rollout.gauges import RolloutGauges
from api.rollout.watch import RolloutWatch
from api.routes import PREFIX, UNVERSIONED, VERSIONED, let_paths_hold_line_breaks, templates
from api.routes.console import ConsoleAssets, add_console
from api.routes.console_oidc import add_oidc_login
from api.serving.readiness import Readiness
from api.serving.searchable import SearchableMonitor
from api.sources.monitor import SourceGauges, SourceMonitor
from api.telemetry.observation import Metrics
from api.telemetry.overview_thread import OverviewThread
from api.telemetry.traces import ArrivalTraces
from infra.settings import Settings
from infra.tracing import open_traces


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
    app.state.kb = kb
    app.state.settings = settings
    app.state.sessions = Sessions(kb.catalog.keys, settings)
    app.state.authenticator = Authenticator(kb.catalog.keys, app.state.sessions, TokenVerifier.of(settings))
    app.state.oidc_login = OidcLogin.of(settings)
    app.state.metrics = Metrics(kb)
    kb.live.served = app.state.metrics.search
    app.state.jobs = open_jobs(kb, settings, app.state.metrics.job)
    app.state.job_followers = Listeners()
    app.state.workers = Workers()
    app.state.waits = Waits(kb.runtimes)
    app.state.readiness = Readiness(kb)
    app.state.source_monitor = SourceMonitor(kb)
    app.state.overview = OverviewThread(kb, app.state.source_monitor, app.state.readiness, app.state.metrics.history)
    app.state.metrics.register(SourceGauges(app.state.source_monitor))
    app.state.metrics.register(RolloutGauges(kb))
    app.state.rollout_watch = RolloutWatch(kb)
    app.state.traces = open_traces(settings, "kb-api")
    seen = None if app.state.traces is None else ArrivalTraces(kb.catalog, app.state.traces).seen
    app.state.searchable = SearchableMonitor(kb, app.state.metrics.registry, seen)
    app.state.console_files = ConsoleFiles()
    errors.install(app)
    _add_layers(app, kb, settings, in_flight, patience or Patience())
    let_paths_hold_line_breaks()
    for router in VERSIONED:
        app.include_router(router, prefix=PREFIX)
    for router in UNVERSIONED:
        app.include_router(router)
    add_oidc_login(app)
    add_console(app, app.state.console_files)
    describe(app)
    return app


def _add_layers(app: FastAPI, kb: KnowledgeBase, settings: Settings, in_flight: int, patience: Patience) -> None:
    """From the innermost to the outermost, as `add_middleware` wraps."""
    app.add_middleware(BodyLimit, most=settings.max_body_bytes, patience=patience)
    if settings.rate_limit_per_minute:
        app.add_middleware(RateLimit, per_minute=settings.rate_limit_per_minute)
    app.add_middleware(Authentication, authenticator=app.state.authenticator)
    app.add_middleware(ConcurrencyLimit, most=in_flight)
    app.add_middleware(ConsoleAssets, files=app.state.console_files)
    auditor = Auditor(kb.catalog.audit)
    app.add_middleware(
        Envelope, metrics=app.state.metrics, auditor=auditor, templates=templates(), traces=app.state.traces
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    with ExitStack() as stack:  # stopped from the last to the first; one that fails keeps no other running
        if state.traces is not None:
            stack.callback(state.traces.close)
        state.jobs.start()
        stack.callback(state.jobs.close)
        for part in (state.rollout_watch, state.searchable, state.source_monitor, state.readiness, state.overview):
            part.start()
            stack.callback(part.stop)
        yield
