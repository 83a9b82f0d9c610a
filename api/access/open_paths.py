"""The few paths that answer without a key: two probes, the description, and the console's pages, which hold no data."""

from __future__ import annotations

import re

PROBES = frozenset({"/healthz", "/readyz"})
OPENAPI_PATH = "/openapi.json"
CONSOLE = "/console"
SESSION_PATH = f"{CONSOLE}/session"
OIDC_PATH = f"{CONSOLE}/login/oidc"  # away to the identity provider
OIDC_BACK_PATH = f"{OIDC_PATH}/callback"
_LISTENING = re.compile(r"/v1/events|/v1/jobs/[^/]+/events")


def is_console(path: str) -> bool:
    """Whether the path is one of the console's pages or files, or of its login."""
    return path == CONSOLE or path.startswith(f"{CONSOLE}/")


def is_login(path: str, method: str) -> bool:
    """Whether somebody logs in: that needs no key and may take time, so it has a bound of its own (`limits`)."""
    return path in (OIDC_PATH, OIDC_BACK_PATH) or (path == SESSION_PATH and method == "POST")


def is_listening(path: str) -> bool:
    """Whether it listens to events: for minutes, without work: it has a bound of its own (`api.http.listeners`)."""
    return _LISTENING.fullmatch(path) is not None


def is_open(path: str, method: str = "GET") -> bool:
    """Whether the request needs no key. Everything that is not listed here does."""
    if path == SESSION_PATH:
        return is_login(path, method)
    return path in PROBES or path in ("/", OPENAPI_PATH) or is_console(path)
