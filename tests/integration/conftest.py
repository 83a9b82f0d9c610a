"""What tests of more than one file here begin with."""

from __future__ import annotations

from collections.abc import Iterator

import browser
import console_pages
import pytest
from playwright.sync_api import Browser
from served import Served, fill


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Of a module, since others in the same process run event loops of their own."""
    with browser.running() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """The console with a filled collection, and its address."""
    with console_pages.serving(tmp_path_factory.mktemp("site")) as (served, address):
        fill(served)
        yield served, address
