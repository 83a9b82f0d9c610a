"""The few paths that answer without a key: two probes that tell nothing but yes or no, and the description."""

from __future__ import annotations

PROBES = frozenset({"/healthz", "/readyz"})
OPENAPI_PATH = "/openapi.json"


def is_probe(path: str) -> bool:
    """Whether an orchestrator asks for the server's health, which overload must not hide."""
    return path in PROBES


def is_open(path: str) -> bool:
    """Whether the path needs no key. Everything that is not listed here does."""
    return path in PROBES or path == OPENAPI_PATH
