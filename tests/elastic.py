"""Views on a real Elasticsearch for tests, with names of their own that are gone afterwards."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from stack import StackOf, stack_of

from retrieval.elastic import ElasticServer, ServerOptions

__all__ = ["elastic_server", "elastic_url", "stack_of"]


@pytest.fixture(scope="session")
def elastic_url(request: pytest.FixtureRequest) -> str:
    """URL of the stack's server; KB_TEST_ELASTICSEARCH_URL names one that runs already."""
    if url := os.environ.get("KB_TEST_ELASTICSEARCH_URL"):
        return url
    stack: StackOf = request.getfixturevalue("stack_of")
    return stack("elasticsearch").url("elasticsearch")


@pytest.fixture
def elastic_server(elastic_url: str) -> Iterator[ElasticServer]:
    """The server; what was made under names of `collection_of` is removed after the test."""
    server = ElasticServer(ServerOptions(elastic_url))
    yield server
    server.close()


def collection_of(folder: Path | None) -> str:
    """The collection that stands for a folder, so that the embedded views' contract runs unchanged."""
    return "kb-test-" + (
        secrets.token_hex(6) if folder is None else hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    )
