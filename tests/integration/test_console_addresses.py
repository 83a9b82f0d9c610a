"""Addresses that somebody typed or kept: of a collection that is not there, or not for this key."""

from __future__ import annotations

import console_pages
from playwright.sync_api import Browser, expect
from served import Served

from retrieval.catalog.keys import Scope


def test_a_collection_that_is_not_there_is_said_to_be_missing(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.READ)) as person:
        page = person.new_page()
        for path in ("/c/gone/search", "/c/gone/documents", "/c/gone/tuning/0123456789abcdef"):
            page.goto(f"/console{path}")
            expect(page.get_by_role("heading", name="There is no collection gone here")).to_be_visible()
        page.goto("/console/")  # the menu leads to one that is there
        page.get_by_role("heading", level=1).wait_for()
        expect(page.get_by_role("link", name="Documents")).to_have_attribute("href", "/console/c/docs/documents")


def test_a_collection_made_since_the_list_was_read_opens(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
        page = console_pages.opened(person, "/collections")
        served.kb.create_collection("fresh")
        page.evaluate(
            "history.pushState({}, '', '/console/c/fresh/documents'); dispatchEvent(new PopStateEvent('popstate'))"
        )
        expect(page.get_by_role("heading", level=1, name="Documents")).to_be_visible()
        expect(page.get_by_text("There is no collection")).to_have_count(0)
