"""What axe, the accessibility checker, finds on a page of the console, light and dark.

    with console_pages.person(chromium, address, key, **console_axe.OPTIONS) as person:
        page = console_pages.opened(person, "/c/docs/sources")
        console_axe.check(page)

The context must pass the content security policy by: axe's script is none of our own.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

SCRIPT = Path(__file__).parents[2] / "api/console/node_modules/axe-core/axe.min.js"
OPTIONS = {"bypass_csp": True}  # of the browser's context
SERIOUS = ("serious", "critical")
LOOKS = ("light", "dark")
# Colours change over a moment; half way they have no contrast.
FADED = """() => Promise.allSettled(document.getAnimations()
    .filter(one => one instanceof CSSTransition).map(one => one.finished))"""
RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(one => ({
    rule: one.id, impact: one.impact, help: one.help,
    nodes: one.nodes.slice(0, 5).map(node => node.html.slice(0, 300) + ' | ' + node.failureSummary.slice(0, 300))}))"""


@functools.cache
def source() -> str:
    """axe's script. Skips the test where the console's packages are not installed."""
    if not SCRIPT.is_file():
        pytest.skip(f"{SCRIPT} is not there; run: make console")
    return SCRIPT.read_text("utf-8")


def findings(page: Page) -> list[dict[str, Any]]:
    """What is wrong with the page as it is now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(source())
    found: list[dict[str, Any]] = page.evaluate(RUN)
    return [one for one in found if one["impact"] in SERIOUS]


def look(page: Page, scheme: str) -> None:
    """Show the page light or dark; it must have been opened before."""
    page.evaluate("scheme => localStorage.setItem('mantine-color-scheme-value', scheme)", scheme)
    page.evaluate("scheme => document.documentElement.setAttribute('data-mantine-color-scheme', scheme)", scheme)
    page.evaluate(FADED)


def check(page: Page, looks: tuple[str, ...] = LOOKS) -> None:
    """Nothing serious, in any look."""
    for scheme in looks:
        look(page, scheme)
        found = findings(page)
        assert not found, f"{page.url}, {scheme}: {found}"
