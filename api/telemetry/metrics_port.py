"""Metrics on a port of their own, for processes that serve nothing else. Whoever reaches the port may read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server


@contextmanager
def served(registry: CollectorRegistry, port: int | None, host: str) -> Iterator[None]:
    """The metrics on a port of that address inside the `with`; None: nowhere."""
    if port is None:
        yield
        return
    server, thread = start_http_server(port, host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
