"""What a server consists of beside its routes: made once, started and stopped together, the same for every request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from api.access.oidc_login import OidcLogin
from api.access.security import Authenticator
from api.access.sessions import Sessions
from api.access.tokens import TokenVerifier
from api.http.console_files import ConsoleFiles
from api.http.listeners import Listeners
from api.http.waits import Waits
from api.http.workers import Workers
from api.jobs.contract import JobRunner
from api.jobs.opening import open_jobs
from api.knowledge_base import KnowledgeBase
from api.overview_thread import OverviewThread
from api.plans.rollout_gauges import RolloutGauges
from api.plans.rollout_watch import RolloutWatch
from api.readiness import Readiness
from api.sources.monitor import SourceGauges, SourceMonitor
from api.telemetry.observation import Metrics
from api.telemetry.searchable import SearchableMonitor
from api.telemetry.traces import ArrivalTraces
from infra.settings import Settings
from infra.telemetry import Traces
from infra.tracing import open_traces


@dataclass(frozen=True, slots=True)
class Services:
    """All of them; `of_request` gives a route those of its server."""

    kb: KnowledgeBase
    settings: Settings
    sessions: Sessions
    authenticator: Authenticator
    oidc_login: OidcLogin | None  # None: the settings name no identity provider
    metrics: Metrics
    jobs: JobRunner
    job_followers: Listeners
    workers: Workers
    waits: Waits
    readiness: Readiness
    source_monitor: SourceMonitor
    overview: OverviewThread
    rollout_watch: RolloutWatch
    traces: Traces | None  # None: the settings name no place to send them to
    searchable: SearchableMonitor
    console_files: ConsoleFiles

    @classmethod
    def of(cls, kb: KnowledgeBase, settings: Settings) -> Services:
        """Those of a server over an open knowledge base; nothing runs yet.

        Raises `SettingsError` where the settings of the token issuer do not fit together, or traces cannot be sent.
        """
        sessions, metrics = Sessions(kb.catalog.keys, settings), Metrics(kb)
        readiness, monitor = Readiness(kb), SourceMonitor(kb)
        kb.live.served = metrics.search
        metrics.register(SourceGauges(monitor))
        metrics.register(RolloutGauges(kb))
        traces = open_traces(settings, "kb-api")
        seen = None if traces is None else ArrivalTraces(kb.catalog, traces).seen
        return cls(
            kb=kb,
            settings=settings,
            sessions=sessions,
            authenticator=Authenticator(kb.catalog.keys, sessions, TokenVerifier.of(settings)),
            oidc_login=OidcLogin.of(settings),
            metrics=metrics,
            jobs=open_jobs(kb, settings, metrics.jobs),
            job_followers=Listeners(),
            workers=Workers(),
            waits=Waits(kb.runtimes),
            readiness=readiness,
            source_monitor=monitor,
            overview=OverviewThread(kb, monitor, readiness, metrics.history),
            rollout_watch=RolloutWatch(kb),
            traces=traces,
            searchable=SearchableMonitor(kb, metrics.registry, seen),
            console_files=ConsoleFiles(),
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Those that work by themselves do so inside the `with`."""
        with ExitStack() as stack:  # stopped from the last to the first; one that fails keeps no other running
            if self.traces is not None:
                stack.callback(self.traces.close)
            self.jobs.start()
            stack.callback(self.jobs.close)
            for part in (self.rollout_watch, self.searchable, self.source_monitor, self.readiness, self.overview):
                part.start()
                stack.callback(part.stop)
            yield


def of_app(app: Starlette) -> Services:
    """Those of an application that `create_app` made."""
    services: Services = app.state.services
    return services


def of_request(request: HTTPConnection) -> Services:
    """Those of the server that got the request."""
    services: Services = request.app.state.services
    return services
