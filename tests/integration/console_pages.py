"""The console's built pages over a served knowledge base, and a person who is logged in to them."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route
from served import Served, in_process, on_port

from api.http.console_files import DIST, ConsoleFiles

STARTED_MS = 120_000  # the first answer of a server that has just begun, on a machine that does much else
BUILT = Path(os.environ.get("KB_TEST_CONSOLE", DIST))  # another build than the package's may be looked at


def require_built() -> None:
    """Skips the test where the pages are not built, fails it where CI is set."""
    if ConsoleFiles(BUILT).built:
        return
    reason = f"the console is not built in {BUILT}; run: make console"
    if os.environ.get("CI"):
        pytest.fail(f"CI is set and the console cannot be tested: {reason}")
    pytest.skip(reason)


@contextlib.contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[tuple[Served, str]]:
    """A knowledge base with its pages on a port; the base URL."""
    require_built()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.services.ConsoleFiles", lambda: ConsoleFiles(BUILT))
        with in_process(folder, **settings) as served, on_port(served) as address:
            yield served, address


@contextlib.contextmanager
def person(chromium: Browser, base: str, key: str, **options: Any) -> Iterator[BrowserContext]:
    """A browser of somebody who has logged in with that key; `options` are Playwright's, such as `locale="zh-CN"`."""
    with browser.context(chromium, base, **options) as context:
        answer = context.request.post("/console/session", data={"key": key}, timeout=STARTED_MS)
        assert answer.ok, answer.text()
        yield context


def opened(context: BrowserContext, path: str) -> Page:
    """A page of the console, its heading shown."""
    page = context.new_page()
    page.goto(f"/console{path}")
    page.get_by_role("heading", level=1).wait_for()
    return page


@contextlib.contextmanager
def page_of(chromium: Browser, base: str, key: str, path: str) -> Iterator[Page]:
    """A page of the console as somebody with that key sees it; it must not have complained by the end."""
    with person(chromium, base, key) as context:
        page = opened(context, path)
        problems = browser.watched(page)
        yield page
        assert problems == []


def held(page: Page, address: str | re.Pattern[str], method: str = "GET") -> Callable[[], Route]:
    """Requests to that address wait from now on; what comes back waits for the next of them, to be answered."""
    waiting: list[Route] = []
    page.route(address, lambda route: waiting.append(route) if route.request.method == method else route.fallback())

    def following() -> Route:
        until = time.monotonic() + browser.PATIENCE_MS / 1000
        while not waiting:
            assert time.monotonic() < until, f"{page.url} sent no {method} to {address}"
            page.wait_for_timeout(20)
        return waiting.pop(0)

    return following
