"""A real Chromium, headless, driven by Playwright; Debian's, Chrome, or the one that KB_TEST_BROWSER names."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

PATIENCE_MS = 60_000  # on a machine that does much else
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",  # tests run as root in containers, where Chromium's sandbox cannot
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-proxy-server",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
]
# Playwright has no page kept for going back; people's browsers keep them, with whatever connections they hold.
NOT_AS_PEOPLE_HAVE_IT = ["--disable-back-forward-cache"]
WINDOW = {"width": 1280, "height": 800}


def executable() -> str:
    """Path of the browser. Skips the test where there is none, fails it where CI is set."""
    found = os.environ.get("KB_TEST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found
    reason = "no Chromium was found; run: infra/setup/debian.sh browser"
    if os.environ.get("CI"):
        pytest.fail(f"CI is set and the console cannot be tested: {reason}")
    pytest.skip(reason)


@contextlib.contextmanager
def running() -> Iterator[Browser]:
    """A browser. Whoever expects something of its pages is patient from then on."""
    path = executable()
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=ARGUMENTS, ignore_default_args=NOT_AS_PEOPLE_HAVE_IT
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def context(browser: Browser, base: str, **more: object) -> Iterator[BrowserContext]:
    """A person's browser: cookies and storage of its own."""
    options = {"base_url": base, "viewport": WINDOW, "locale": "en-US", "reduced_motion": "reduce", **more}
    opened = browser.new_context(**options)  # type: ignore[arg-type]
    opened.set_default_timeout(PATIENCE_MS)
    try:
        yield opened
    finally:
        opened.close()


def watched(page: Page) -> list[str]:
    """What the page complains of from now on: errors nobody caught, refused scripts, failed requests."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("console", lambda told: problems.append(f"console: {told.text}") if told.type == "error" else None)
    return problems
