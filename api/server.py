"""Runs the API: uvicorn on one address, with a first key on loopback and never without a key elsewhere."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import uvicorn

from api.access.loopback import is_loopback
from api.app import create_app
from api.http.connections import Connection
from api.knowledge_base import KnowledgeBase
from api.services import of_app
from api.telemetry.observation import Metrics
from infra.settings import Settings, SettingsError
from infra.telemetry import Traces
from retrieval.catalog import Catalog
from retrieval.catalog.keys import Scope

FIRST_KEY_DAYS = 365
BACKLOG = 512  # connections the kernel holds while we are busy
KEEP_ALIVE_SECONDS = 30
GRACE_SECONDS = 15  # for requests under way when the server stops


@dataclass(frozen=True, slots=True)
class Prepared:
    """A server that is bound but does not serve yet; `first_key` is to be shown once, then forgotten."""

    server: uvicorn.Server
    listening: socket.socket
    url: str
    first_key: str | None
    metrics: Metrics
    traces: Traces | None

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, let requests under way finish, and return so that the caller can close."""
        with _signals_for_the_server_only():
            self.server.run(sockets=[self.listening])


def prepare(kb: KnowledgeBase, settings: Settings) -> Prepared:
    """Bind the address. Raises `SettingsError` beyond loopback without a valid key, and for an address in use."""
    lacks_key = _lacks_key(kb.catalog, settings.host)
    app = create_app(kb, settings)
    services = of_app(app)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Connection,
        ws="none",
        access_log=False,  # metrics and the audit log say more for less
        log_config=None,  # the entry point has set logging up
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),  # else anybody may say where he comes from
        forwarded_allow_ips=_trusted_proxies(settings),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    listening = _listen(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    first_key = _first_key(kb.catalog) if lacks_key else None  # last: what fails before would leave one nobody has seen
    server = uvicorn.Server(config)
    services.overview.is_ending = lambda: server.should_exit  # else listeners would hold up the end
    return Prepared(server, listening, f"http://{shown}:{port}", first_key, services.metrics, services.traces)


def _lacks_key(catalog: Catalog, host: str) -> bool:
    """Whether no key is valid. Raises `SettingsError` where that is so beyond loopback."""
    now = datetime.now(UTC)
    lacks = not any(key.is_valid(now) for key in catalog.keys.all())
    if lacks and not is_loopback(host):
        raise SettingsError(
            f"setting host (KB_HOST) = {host!r}: beyond loopback a key must exist first; "
            "run `kb keys create --scope admin`, then start again"
        )
    return lacks


def _first_key(catalog: Catalog) -> str:
    expires_at = datetime.now(UTC) + timedelta(days=FIRST_KEY_DAYS)
    record, key = catalog.keys.create("first admin key", Scope.ADMIN, expires_at=expires_at)
    catalog.audit.record("operator", "keys.create", record.id, {"scope": Scope.ADMIN.value, "first": True})
    return key


def _trusted_proxies(settings: Settings) -> list[str]:
    """Raises `SettingsError` for what is neither an address nor a network: it would trust nobody, silently."""
    proxies = [one.strip() for one in settings.trusted_proxies.split(",") if one.strip()]
    for one in proxies:
        try:
            ip_network(one)
        except ValueError as error:
            raise SettingsError(f"setting trusted_proxies (KB_TRUSTED_PROXIES): {error}") from error
    return proxies


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that whoever reads the printed address may connect at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"settings host and port = {host}:{port}: cannot listen there ({error.strerror}); choose another KB_PORT"
        ) from error
    return listening


@contextmanager
def _signals_for_the_server_only() -> Iterator[None]:
    """Uvicorn raises the signal that ended it once more; by then it shall find no handler, lest nothing be closed."""
    ending = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(one, signal.SIG_IGN) for one in ending]
    try:
        yield
    finally:
        for one, handler in zip(ending, before, strict=True):
            signal.signal(one, handler)
