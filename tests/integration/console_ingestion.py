"""What the tests of the console's pages about ingestion share: one server, an admin, a row of a table."""

from __future__ import annotations

from collections.abc import Iterator

import console_axe
import console_pages
import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from served import Served

from retrieval.catalog.keys import Scope


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    with console_pages.serving(tmp_path_factory.mktemp("kb")) as (served, address):
        yield served, address


@pytest.fixture
def served(base: tuple[Served, str]) -> Served:
    return base[0]


@pytest.fixture
def person(chromium: Browser, base: tuple[Served, str]) -> Iterator[BrowserContext]:
    with console_pages.person(chromium, base[1], base[0].key(Scope.ADMIN), **console_axe.OPTIONS) as context:
        yield context


def row(page: Page, name: str) -> str:
    """The text of the table row that begins with that name."""
    return page.get_by_role("row").filter(has_text=name).inner_text()
