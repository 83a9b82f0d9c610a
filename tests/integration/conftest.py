"""What tests of more than one file here begin with."""

from __future__ import annotations

from collections.abc import Iterator

import browser
import pytest
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Of a module, since others in the same process run event loops of their own."""
    with browser.running() as opened:
        yield opened
