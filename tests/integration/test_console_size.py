"""The console's first load stays small, and a page asks the server for nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import console_pages
import pytest
from playwright.sync_api import Browser, Page, Request
from served import Served, fill

from retrieval.catalog.keys import Scope

MAX_BYTES = 375 * 1024  # of compressed script; of pages that are opened later nothing, of charts what there is to draw
TOLD_MS = 1_500  # the first events have come by then, and with them what the server knows of the collections
LOADED = """() => performance.getEntriesByType('resource').filter(one => one.name.endsWith('.js'))
    .map(one => [one.name, one.encodedBodySize])"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    with console_pages.serving(tmp_path_factory.mktemp("kb")) as (served, address):
        fill(served)
        yield served, address


def test_the_first_page_loads_little_script(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
        page = console_pages.opened(person, "/")
        page.locator("svg.recharts-surface").first.wait_for(state="attached")
        loaded = dict(page.evaluate(LOADED))
    assert loaded, "no script was loaded at all"
    assert sum(loaded.values()) <= MAX_BYTES, sorted(loaded.items(), key=lambda one: -one[1])


@pytest.mark.parametrize("path", ["/", "/c/docs/documents", "/c/docs/search?q=warranty"])
def test_a_page_asks_for_nothing_twice(chromium: Browser, site: tuple[Served, str], path: str) -> None:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
        for _ in range(2):  # the second time the browser knows that somebody is likely to be logged in
            page = person.new_page()
            asked = asked_by(page)
            with page.expect_response("**/v1/events"):
                page.goto(f"/console{path}")
            page.wait_for_timeout(TOLD_MS)
            assert len(asked) >= 4
            assert [what for what, times in asked.items() if times > 1] == []
            page.close()


def test_whoever_is_not_logged_in_is_refused_once(chromium: Browser, site: tuple[Served, str]) -> None:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person:
        console_pages.opened(person, "/").close()
        person.clear_cookies()
        for most in (3, 1):  # at first the browser still expects a session, and what the page needs is refused too
            page = person.new_page()
            refused: list[str] = []
            page.on("response", lambda answer, urls=refused: answer.status == 401 and urls.append(answer.url))
            page.goto("/console/")
            page.get_by_label("Key").wait_for()
            assert 1 <= len(refused) <= most, refused
            page.close()


def test_whoever_logs_in_after_a_session_that_ended_stays_logged_in(
    chromium: Browser, site: tuple[Served, str]
) -> None:
    served, address = site
    key = served.key(Scope.ADMIN)
    with console_pages.person(chromium, address, key) as person:
        console_pages.opened(person, "/").close()
        person.clear_cookies()
        page = person.new_page()
        page.goto("/console/")  # its first data were asked for early, and refused
        page.get_by_label("Key").fill(key)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", level=1, name="Overview").wait_for()
        page.wait_for_timeout(TOLD_MS)
        assert page.get_by_role("heading", level=1, name="Overview").is_visible()


def asked_by(page: Page) -> Counter[tuple[str, str, str | None]]:
    """What the page asks of the API from now on, and how often."""
    asked: Counter[tuple[str, str, str | None]] = Counter()

    def note(request: Request) -> None:
        if "/v1/" in request.url or request.url.endswith("/console/session"):
            asked[request.method, request.url, request.post_data] += 1

    page.on("request", note)
    return asked
