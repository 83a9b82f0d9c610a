"""A catalog of the test's own on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.catalog import Catalog, Collection, sqlite_url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found: str = (
        request.getfixturevalue("fresh_postgres") if request.param == "postgresql" else sqlite_url(tmp_path / "c.db")
    )
    return found


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    opened = Catalog(url)
    yield opened
    opened.close()


@pytest.fixture
def handbook(catalog: Catalog) -> Collection:
    return catalog.collections.create("handbook", "hash", "fp")
