"""The exchangeable parts there are, read from the registries beside their protocols."""

from __future__ import annotations

from typing import Any

from api.jobs.kinds import TASKS
from infra.registry import Registry
from ingest.contracts import CHUNKERS, PARSERS, SOURCES
from retrieval.answer.generators import GENERATORS
from retrieval.encoder import ENCODERS
from retrieval.ranking.rerank import RERANKERS
from search_core.policy import POLICIES
from search_core.spaces.space_file import SPACES

REGISTRIES: tuple[Registry[Any], ...] = (
    SOURCES,
    PARSERS,
    CHUNKERS,
    ENCODERS,
    RERANKERS,
    GENERATORS,
    SPACES,
    POLICIES,
    TASKS,
)


def all_modules() -> list[dict[str, str]]:
    """Kind, name, one line of description and origin of every registered part."""
    return [
        {"kind": registry.kind, "name": entry.name, "summary": entry.summary, "origin": entry.origin}
        for registry in REGISTRIES
        for entry in registry
    ]
