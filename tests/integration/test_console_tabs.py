"""Many tabs of one browser, which has six connections to a server: all load, and all hear of changes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import console_pages
import console_reading as library
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from served import Served
from waiting import eventually

from api.routes import console_live
from retrieval.catalog.keys import Scope

LIST = "/c/docs/documents"
EVENTS = "/v1/events"
LOADED_MS = 30_000  # the browser takes connections away from pages that it keeps after about a minute
MANY = 8  # more than the connections
LOST = "Connection lost, retrying"
NO_LOCKS = "delete Navigator.prototype.locks"  # as where pages come over plain http from another machine
# In a headless browser each tab counts as seen; this one is hidden or seen as it is told.
HIDING = """(hidden) => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
COUNTING = """
  window.heartbeats = 0;
  const listen = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (name, act) {
    listen.call(this, name, (event) => {
      act(event);
      if (name === 'heartbeat') window.heartbeats += 1;
    });
  };
"""
HOLDERS = "async () => (await navigator.locks.query()).held.length"


@pytest.fixture
def person(chromium: Browser, site: tuple[Served, str]) -> Iterator[BrowserContext]:
    served, address = site
    with console_pages.person(chromium, address, served.key(Scope.ADMIN)) as opened:
        yield opened


def write(site: tuple[Served, str], name: str) -> str:
    """Store a document; its title."""
    library.put(site[0], f"tabs/{name}", title=f"Title of {name}", text=f"Text of {name}.")
    return f"Title of {name}"


def hears(page: Page, title: str) -> None:
    """Without a reload, the list shows the document."""
    page.get_by_role("link", name=title).wait_for()


def test_many_tabs_load_and_all_hear_by_one_stream(person: BrowserContext, site: tuple[Served, str]) -> None:
    begun: list[str] = []
    person.on("request", lambda request: begun.append(request.url) if request.url.endswith(EVENTS) else None)
    tabs = [console_pages.opened(person, LIST) for _ in range(MANY)]
    title = write(site, "many")
    for tab in tabs:
        hears(tab, title)
    assert 1 <= len(begun) < MANY / 2  # more than one only where a busy machine let a tab seem gone
    tabs[-1].get_by_role("link", name=title).click()  # what one tab does, the others see
    tabs[-1].get_by_role("button", name="Delete").click()
    tabs[-1].get_by_role("dialog").get_by_role("button", name="Delete").click()
    for tab in tabs[:-1]:
        expect(tab.get_by_role("link", name=title)).to_have_count(0)


def test_one_tab_loads_again_and_again(person: BrowserContext, site: tuple[Served, str]) -> None:
    page = console_pages.opened(person, LIST)
    for number in range(MANY):
        page.goto(f"/console{LIST if number % 2 else '/'}", timeout=LOADED_MS)
        page.get_by_role("heading", level=1).wait_for(timeout=LOADED_MS)
    page.go_back(wait_until="commit")  # a page that was kept is shown again without being loaded
    page.get_by_role("heading", level=1, name="Overview").wait_for()
    page.go_back(wait_until="commit")
    page.get_by_role("heading", level=1, name="Documents").wait_for()
    hears(page, write(site, "again"))  # the page that came back hears too


def test_the_next_tab_listens_when_the_one_that_did_is_gone(person: BrowserContext, site: tuple[Served, str]) -> None:
    tabs = [console_pages.opened(person, LIST) for _ in range(3)]
    tabs[0].close()
    title = write(site, "closed")
    for tab in tabs[1:]:
        hears(tab, title)
    person.new_cdp_session(tabs[1]).send("Page.setWebLifecycleState", {"state": "frozen"})
    hears(tabs[2], write(site, "frozen"))


def test_a_tab_that_does_not_answer_is_not_waited_for(person: BrowserContext, site: tuple[Served, str]) -> None:
    first, second = (console_pages.opened(person, LIST) for _ in range(2))
    debugger = person.new_cdp_session(first)
    debugger.send("Debugger.enable")
    debugger.send("Debugger.pause")  # it stands still with the next event, and keeps the lock
    title = write(site, "stuck")
    hears(second, title)
    debugger.send("Debugger.resume")
    hears(first, title)  # and goes on with the others
    title = write(site, "resumed")
    hears(first, title)
    hears(second, title)
    assert second.evaluate(HOLDERS) == 1


def test_all_tabs_say_that_the_connection_is_lost(person: BrowserContext, site: tuple[Served, str]) -> None:
    tabs = [console_pages.opened(person, LIST) for _ in range(3)]
    person.set_offline(True)
    for tab in tabs:
        tab.get_by_text(LOST).wait_for()
    title = write(site, "offline")
    person.set_offline(False)
    for tab in tabs:
        hears(tab, title)
        tab.get_by_text(LOST).wait_for(state="detached")


def test_a_stream_that_fails_is_said_in_all_tabs(person: BrowserContext, site: tuple[Served, str]) -> None:
    person.route(f"**{EVENTS}", lambda route: route.fulfill(status=502, body="no"))
    tabs = [console_pages.opened(person, LIST) for _ in range(2)]
    for tab in tabs:
        tab.get_by_text(LOST).wait_for()
    person.unroute(f"**{EVENTS}")
    for tab in tabs:
        tab.get_by_text(LOST).wait_for(state="detached")


def test_a_server_that_hangs_is_noticed(
    person: BrowserContext, site: tuple[Served, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps the connection open and says nothing; the pages' clocks are put forward."""
    monkeypatch.setattr(console_live, "HEARTBEAT_SECONDS", 0.2)
    page = person.new_page()
    page.clock.install()
    page.add_init_script(COUNTING)
    begun: list[str] = []
    page.on("request", lambda request: begun.append(request.url) if request.url.endswith(EVENTS) else None)
    page.goto(f"/console{LIST}")
    page.get_by_role("heading", level=1).wait_for()
    for _ in range(4):  # nothing changes, yet the server is heard
        page.clock.fast_forward(10_000)
        before = page.evaluate("heartbeats")
        eventually(partial(page.evaluate, "heartbeats"), lambda now, before=before: now > before, what="a heartbeat")
    assert len(begun) == 1
    monkeypatch.setattr(console_live, "HEARTBEAT_SECONDS", 3_600.0)
    person.route(f"**{EVENTS}", lambda route: None)  # the next is never answered
    page.wait_for_timeout(1_000)
    page.clock.fast_forward(26_000)
    page.clock.fast_forward(5_000)
    page.get_by_text(LOST).wait_for()
    person.unroute(f"**{EVENTS}")
    page.clock.fast_forward(26_000)
    page.get_by_text(LOST).wait_for(state="detached")


def test_without_locks_only_what_is_seen_listens(person: BrowserContext, site: tuple[Served, str]) -> None:
    person.add_init_script(NO_LOCKS)
    tabs: list[Page] = []
    for _ in range(MANY):
        if tabs:
            tabs[-1].evaluate(HIDING, True)
        tabs.append(console_pages.opened(person, LIST))
    title = write(site, "unlocked")
    hears(tabs[-1], title)
    expect(tabs[0].get_by_role("link", name=title)).to_have_count(0)
    tabs[0].evaluate(HIDING, False)
    hears(tabs[0], title)
