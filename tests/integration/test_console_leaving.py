"""The end of a session in the console's pages: by logging out, by the server, by another login in the same browser."""

from __future__ import annotations

import console_pages
from playwright.sync_api import Browser, BrowserContext, Page, expect
from served import Served

from retrieval.catalog.keys import Scope


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Account and display").click()
    page.get_by_role("menuitem", name="Log out").click()


def log_in(person: BrowserContext, key: str) -> None:
    """As another tab does."""
    assert person.request.post("/console/session", data={"key": key}).ok


def test_a_session_that_ends_leaves_nothing_open(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    record, key = served.kb.catalog.keys.create("leaving", Scope.ADMIN)
    served.key(Scope.READ, groups=["support"])
    with console_pages.person(chromium, address, key, viewport={"width": 390, "height": 800}) as person:
        page = console_pages.opened(person, "/access")
        live = page.get_by_text("Live", exact=True)
        assert live.evaluate("element => element.scrollWidth <= element.clientWidth && element.clientWidth > 10")
        assert page.evaluate("document.documentElement.scrollWidth") == 390  # nothing is beside a phone's screen
        page.route("**/console/session", lambda route: route.fulfill(status=500, json={}))
        log_out(page)
        told = page.get_by_role("alert").filter(has_text="You are still logged in")
        expect(told).to_be_visible()
        expect(page.get_by_role("heading", name="Access")).to_be_visible()
        page.unroute("**/console/session")
        page.get_by_role("button", name="Revoke test").first.click()
        expect(page.get_by_role("dialog")).to_contain_text("Revoke the key test?")
        served.kb.catalog.keys.revoke(record.id)
        expect(page.get_by_text("Your session has ended")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(told).to_have_count(0)
        page.get_by_role("textbox", name="Key").fill(served.key(Scope.READ))
        page.get_by_role("button", name="Log in", exact=True).click()
        page.get_by_role("button", name="Account and display").wait_for()
        expect(page.get_by_role("dialog")).to_have_count(0)
        log_out(page)
        page.get_by_role("textbox", name="Key").wait_for()
        expect(page.get_by_text("Your session has ended")).to_have_count(0)  # one knows that oneself


def test_another_login_in_the_same_browser(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    key = served.key(Scope.ADMIN)
    with console_pages.person(chromium, address, key) as person:
        page = console_pages.opened(person, "/c/docs/search")
        log_in(person, key)
        page.get_by_role("textbox", name="Question").fill("warranty of all drives")
        page.keyboard.press("Enter")  # the page has the former session's token
        page.get_by_text("24 months").first.wait_for()
        page.goto("/console/c/docs/upload")
        log_in(person, key)
        page.get_by_label("Choose files").set_input_files(
            {"name": "again.txt", "mimeType": "text/plain", "buffer": b"The AX-1200 drive weighs 12 kg."}
        )
        expect(page.get_by_text("New (1)")).to_be_visible()
        page.goto("/console/access")
        page.get_by_role("button", name="New key").wait_for()
        log_in(person, served.key(Scope.READ))
        page.get_by_role("button", name="Revoke test").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
        expect(page.get_by_text("This page is not for your key")).to_be_visible()  # somebody else's pages now
