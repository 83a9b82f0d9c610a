"""What every test may ask for: a clean environment, the public data sets, a real PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import local_postgres
import psycopg
import pytest
from stack import own_stack_of, stack, stack_of

__all__ = ["own_stack_of", "stack", "stack_of"]  # fixtures, found by their names here
hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one makes no example wrong
hypothesis.settings.load_profile("any machine")

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with real servers first, quick ones last: they fill what the workers' last minutes leave."""
    slow, servers = ({item.path for item in items if item.get_closest_marker(mark)} for mark in ("slow", "server"))
    items.sort(key=lambda item: (item.path not in servers & slow, item.path not in slow))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No KB_ setting of the developer's shell reaches a test; KB_TEST_ ones steer the tests themselves."""
    for name in os.environ:
        if name.startswith("KB_") and not name.startswith("KB_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_dir_public() -> Path:
    """The folder of the public data sets; the test skips where it is absent."""
    folder = Path(os.environ.get("KB_TEST_DATA_DIR", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"public data sets are not in {folder}; set KB_TEST_DATA_DIR to where they are")
    return folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the maintenance database of a server of this run's own; prefer `fresh_postgres`."""
    with contextlib.ExitStack() as running:
        try:
            url = running.enter_context(local_postgres.running())
        except local_postgres.CannotStartError as reason:
            if os.environ.get("CI"):
                pytest.fail(f"CI is set and the server tests cannot run: {reason}")
            pytest.skip(str(reason))
        yield url


@pytest.fixture
def fresh_postgres(postgres_url: str) -> Iterator[str]:
    """SQLAlchemy URL of an empty database with a random name, dropped after the test."""
    name = f"kb_test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        yield urlsplit(postgres_url)._replace(scheme="postgresql+psycopg", path=f"/{name}").geturl()
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
