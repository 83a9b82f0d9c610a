"""Every page of the console over the sample company: none complains, each fits a desk's and a tablet's window.

With KB_TEST_PICTURES=1 each becomes a picture.

`make screenshots` writes docs/pictures anew: pages light and dark, and the steps of docs/console-newcomer.md. They are
the only binary files of the repository, so each is reduced to a palette and all of them are weighed.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import browser
import console_axe
import console_company
import console_pages
import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page
from served import on_port

from api.http.console_files import ConsoleFiles
from retrieval.catalog.keys import Scope

REPOSITORY = Path(__file__).parents[2]
PAGES = REPOSITORY / "api/console/src/app/pages.tsx"
PICTURES = REPOSITORY / "docs/pictures"
WANTED = os.environ.get("KB_TEST_PICTURES") == "1"
COLOURS = 64  # of a picture's palette: text and charts stay sharp
MAX_BYTES = 1_500_000  # of all pictures together
SETTLING_MS = 900  # for what comes after the heading: lists, charts
TURNED_MS = 200  # for charts to follow another width of the window
WIDTHS = (820, 1280)  # of a tablet held upright, and of a small desk
BEYOND = """() => [...document.querySelectorAll('body *')]
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(one).position !== 'fixed')
    .filter(one => !one.closest('[tabindex="0"][role=region]'))  // these scroll by themselves, by keyboard too
    .map(one => one.outerHTML.slice(0, 200))"""

QUESTION = "What do I do when an AX-1200 shows E-07?"
QUERIES = {  # what some pages show only when asked
    "/c/:collection/search": f"?q={QUESTION}",
    "/c/:collection/documents/view": "?key=main.faqs/41",
}
SHOP = (
    "CREATE TABLE products (id int PRIMARY KEY, name text)",
    "CREATE TABLE faqs (id int PRIMARY KEY, product_id int REFERENCES products, question text, answer text)",
    "INSERT INTO products VALUES (1, 'Falcon 7')",
    """INSERT INTO faqs VALUES (1, 1, 'How long does the battery last?', 'About nine hours of flight.'),
       (2, 1, 'How far does it fly?', 'Two kilometres in the open.'),
       (3, 1, 'May it fly in the rain?', 'In a drizzle, yes; in a storm, no.')""",
)
BEHIND = {  # further views, by the page that holds them
    "documents-view": ("tab=versions", "tab=rights", f"tab=why&q={QUESTION}"),
    "jobs": ("show=schedules",),
    "models": ("show=plans", "show=modules"),
    "access": ("show=groups", "show=audit"),
}


def places(experiment: str) -> dict[str, str]:
    """Each page's name and where it is, from the table of pages itself; those that need what is not there are left."""
    found = {}
    values = {"collection": console_company.NAME, "set": console_company.EVAL_SET, "experiment": experiment}
    values["source"] = console_company.SOURCE
    for template in re.findall(r'^  page\("(/[^"]*)"', PAGES.read_text("utf-8"), flags=re.M):
        path = template
        for name, value in values.items():
            path = path.replace(f":{name}", value)
        if ":" not in path:
            name = template.replace("/c/:collection", "").replace(":", "").strip("/").replace("/", "-") or "overview"
            found[name] = path + QUERIES.get(template, "")
    return found


@pytest.mark.soak
def test_every_page_renders_without_a_complaint(chromium: Browser, tmp_path: Path) -> None:
    console_pages.require_built()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.services.ConsoleFiles", lambda: ConsoleFiles(console_pages.BUILT))
        with console_company.used_company(tmp_path) as used, on_port(used.served) as address:
            key = used.served.key(Scope.ADMIN)
            with console_pages.person(chromium, address, key) as person:
                page = person.new_page()
                complaints = browser.watched(page)
                for name, path in places(used.experiment).items():
                    show(page, path)
                    for act in DONE.get(name, ()):
                        act(page)
                    picture(page, name)
                    assert_it_fits(page)
                    for further in BEHIND.get(name, ()):
                        show(page, f"{path}{'&' if '?' in path else '?'}{further}")
                        assert_it_fits(page)
                assert complaints == []
            with browser.context(chromium, address) as stranger:
                page = stranger.new_page()
                page.goto("/console/")
                page.get_by_role("button", name="Log in", exact=True).wait_for()
                picture(page, "login")
    if WANTED:
        weigh()


@pytest.mark.server
@pytest.mark.skipif(not WANTED, reason="draws docs/console-newcomer.md; the same way is tested in test_console_sources")
def test_the_way_of_a_newcomer_becomes_pictures(chromium: Browser, tmp_path: Path, shop: str) -> None:
    """From the address of a database to the row that changed in it, one picture a step."""
    url = urlsplit(shop)
    with (
        console_pages.serving(tmp_path) as (served, address),
        console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person,
    ):
        page = console_pages.opened(person, "/connect")
        for label, value in (("Host", url.hostname), ("Port", str(url.port)), ("User", url.username)):
            page.get_by_label(label).fill(value or "")
        page.get_by_label("Database name").fill("shop")
        page.get_by_label("Password", exact=True).fill(url.password or "")
        page.get_by_role("button", name="Test the connection").click()
        page.get_by_role("button", name="Choose tables").wait_for()
        step(page, "address", page.get_by_role("heading", level=1))
        page.get_by_role("button", name="Choose tables").click()
        page.get_by_label("public.faqs").check()
        step(page, "tables")
        page.get_by_role("button", name="Say what becomes of them").click()
        page.get_by_label("products: the row of public.products").check()
        page.get_by_text("products: Falcon 7").first.wait_for()
        step(page, "documents")
        page.get_by_role("button", name="Looks right").click()
        page.get_by_label("Name of the source").fill("shop")
        page.get_by_role("heading", level=1).click()
        step(page, "start")
        page.get_by_role("button", name="Start", exact=True).click()
        page.get_by_text("3 new · 0 updated").wait_for()
        page.get_by_label("Question").fill("How long does the battery last?")
        page.get_by_label("Question").press("Enter")
        page.get_by_role("status", name="Answer").wait_for()
        step(page, "watch")
        execute(shop, "UPDATE faqs SET answer = 'Eleven hours since the spring update.' WHERE id = 1")
        page.get_by_role("link", name="To the source").click()
        page.get_by_role("button", name="Read now").click()
        page.get_by_text("0 new · 1 updated").wait_for()
        step(page, "source", page.get_by_role("heading", level=1))
        page.get_by_role("button", name="Change", exact=True).click()
        page.get_by_role("article", name="public.faqs/1").wait_for()
        step(page, "mapping")
    weigh()


@pytest.fixture
def shop(fresh_postgres: str) -> Iterator[str]:
    """The small database of the README, under a name that looks well in a picture."""
    server = urlsplit(fresh_postgres)._replace(scheme="postgresql")
    execute(server.geturl(), "DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop")
    url = server._replace(path="/shop").geturl()
    execute(url, *SHOP)
    yield url
    execute(server.geturl(), "DROP DATABASE shop WITH (FORCE)")


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def weigh() -> None:
    assert sum(file.stat().st_size for file in PICTURES.glob("*.png")) < MAX_BYTES


def step(page: Page, name: str, top: Locator | None = None) -> None:
    """A picture of a step, in one look, from that place on."""
    if top is not None:
        top.scroll_into_view_if_needed()
    page.wait_for_timeout(SETTLING_MS)
    PICTURES.mkdir(exist_ok=True)
    reduced(page.screenshot(caret="initial"), PICTURES / f"step-{name}.png")


def show(page: Page, path: str) -> None:
    """Open the page and let it come to rest."""
    page.goto(f"/console{path}")
    page.get_by_role("heading", level=1).wait_for()
    page.locator("[class*=Skeleton-root]").first.wait_for(state="detached")  # a chart that is still loaded
    page.wait_for_timeout(SETTLING_MS)


def assert_it_fits(page: Page) -> None:
    """Nothing lies beside the window, where it could not be reached, in any width."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": browser.WINDOW["height"]})
        page.wait_for_timeout(TURNED_MS)
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, f"{page.url} scrolls sideways at {width} px: {page.evaluate(BEYOND)}"
        assert page.evaluate(BEYOND) == [], f"{page.url} at {width} px"


def ask(page: Page) -> None:
    """An answer with its sources."""
    page.get_by_label("Your question").fill(QUESTION)
    page.get_by_label("Your question").press("Enter")
    page.get_by_role("button", name="Helpful", exact=True).wait_for()


DONE = {"chat": (ask,)}  # before its picture is taken


def picture(page: Page, name: str) -> None:
    """The page as it is, light and dark, as files; nothing where pictures are not wanted."""
    if not WANTED:
        return
    PICTURES.mkdir(exist_ok=True)
    for scheme in console_axe.LOOKS:
        console_axe.look(page, scheme)
        # Hiding the caret would add a style, which the content security policy refuses and the page complains of.
        reduced(page.screenshot(caret="initial"), PICTURES / f"{name}-{scheme}.png")
    console_axe.look(page, "light")


def reduced(png: bytes, path: Path) -> None:
    """Write the picture with a small palette: a third of its size, and nobody sees it."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
