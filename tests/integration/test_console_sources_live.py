"""The console on the real servers: from an empty system to a cited answer, and a row that changes meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser
import console_axe
import console_pages
import pytest
from console_pages import opened
from live_world import mariadb, mariadb_database, postgres_database, query
from playwright.sync_api import Page, expect
from served import Served
from stack import StackOf
from waiting import eventually
from worker_world import running

from api.sources.live_sources import LiveSources
from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker
from infra.stack.stack import Stack
from retrieval.catalog.keys import Scope

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]
SHOP = """
    CREATE TABLE products (id int PRIMARY KEY, name text);
    CREATE TABLE faqs (id int PRIMARY KEY, product_id int, question text, answer text,
                       FOREIGN KEY (product_id) REFERENCES products (id));
    INSERT INTO products VALUES (1, 'Falcon 7');
    INSERT INTO faqs VALUES (1, 1, 'How long does the battery last?', 'About nine hours of flight.'),
                            (2, 1, 'How far does it fly?', 'Two kilometres in the open.');"""


@pytest.fixture
def stack(stack_of: StackOf) -> Stack:
    return stack_of("postgres", "kafka", "connect")


@pytest.fixture
def shop(stack: Stack, tmp_path: Path) -> Iterator[str]:
    script = tmp_path / "shop.sql"
    script.write_text(SHOP)
    with postgres_database(stack, script) as url:
        yield url


@contextlib.contextmanager
def connected(stack: Stack, folder: Path) -> Iterator[tuple[Served, str]]:
    """An empty knowledge base on the stack, its pages, and a worker."""
    names = ("kafka_bootstrap_servers", "connect_url", "connect_secrets_dir")
    settings = {name: stack.env()[f"KB_{name.upper()}"] for name in names}
    with console_pages.serving(folder, **settings) as (served, address):
        try:
            with running(open_worker(served.kb, WorkerMetrics())):
                yield served, address
        finally:
            live = LiveSources(served.kb)
            for collection in served.kb.catalog.collections.all():
                for record in served.kb.catalog.sources.all(collection):
                    live.delete(record)


def test_from_nothing_to_a_cited_answer_and_a_row_that_changes(stack: Stack, shop: str, tmp_path: Path) -> None:
    with (
        browser.running() as chromium,
        connected(stack, tmp_path / "kb") as (served, address),
        console_pages.person(chromium, address, served.key(Scope.ADMIN), **console_axe.OPTIONS) as person,
    ):
        page = opened(person, "/")
        page.get_by_role("main").get_by_role("link", name="Connect a database").click()
        connect(page, shop, "public")
        asked(page)
        page.get_by_role("link", name="To the source").click()
        a_changed_row_appears(page, shop)
        expect(page.get_by_role("table", name="Run log").get_by_text("streaming").first).to_be_visible()
        it_rests_and_goes_on(page, served)
        it_goes_without_a_trace(page, shop, served)


@pytest.mark.soak
def test_mariadb_is_connected_in_the_same_way(stack_of: StackOf, tmp_path: Path) -> None:
    stack = stack_of("mariadb", "kafka", "connect")
    script = tmp_path / "shop.sql"
    script.write_text(SHOP)
    with (
        mariadb_database(stack, script) as shop,
        browser.running() as chromium,
        connected(stack, tmp_path / "kb") as (served, address),
        console_pages.person(chromium, address, served.key(Scope.ADMIN)) as person,
    ):
        page = opened(person, "/connect")
        page.get_by_text("MariaDB", exact=True).click()
        connect(page, shop, urlsplit(shop).path.strip("/"))
        asked(page)
        page.get_by_role("link", name="To the source").click()
        with mariadb(shop) as cursor:
            cursor.execute("UPDATE faqs SET question = 'How far does it fly in wind?' WHERE id = 2")
        newest = page.get_by_role("table", name="Newest changes")
        expect(newest.get_by_role("link", name="How far does it fly in wind?")).to_be_visible()


def connect(page: Page, database: str, schema: str) -> None:
    """The guided flow: the address and its test, a table, its documents seen before they are made, all rows read."""
    url = urlsplit(database)
    page.get_by_label("Host").fill(url.hostname or "")
    page.get_by_label("Port").fill(str(url.port))
    page.get_by_label("Database name").fill(url.path.strip("/"))
    page.get_by_label("User").fill(unquote(url.username or ""))
    page.get_by_label("Password", exact=True).fill(unquote(url.password or ""))
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_text("can be followed: every check passed")).to_be_visible()
    expect(page.get_by_label("Follow it live").first).to_be_checked()
    page.get_by_role("button", name="Choose tables").click()
    page.get_by_label(f"{schema}.faqs").check()
    page.get_by_role("button", name="Say what becomes of them").click()
    page.get_by_label(f"products: the row of {schema}.products").check()
    shown = page.get_by_role("article", name=f"{schema}.faqs/1")
    expect(shown.get_by_text("products: Falcon 7")).to_be_visible()
    page.get_by_role("button", name="Looks right").click()
    page.get_by_label("Name of the source").fill("shop")
    page.locator("main form input").nth(1).fill("shop")
    page.get_by_role("heading", level=1).click()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("heading", name="Everything is read")).to_be_visible()
    expect(page.get_by_text("0 events wait · 2 documents")).to_be_visible()


def asked(page: Page) -> None:
    """The first question is answered, with the row that says it."""
    page.get_by_label("Question").fill("How long does the battery last?")
    page.get_by_role("button", name="Ask", exact=True).click()
    answer = page.get_by_role("status", name="Answer")
    expect(answer.get_by_text("About nine hours of flight").first).to_be_visible()
    expect(answer.get_by_role("link", name="How long does the battery last?")).to_be_visible()


def a_changed_row_appears(page: Page, shop: str) -> None:
    """Without a reload: the page itself is marked, and the mark stays."""
    newest = page.get_by_role("table", name="Newest changes")
    expect(newest.get_by_role("link", name="How far does it fly?")).to_be_visible()
    page.evaluate("window.marked = true")
    query(shop, "UPDATE faqs SET question = 'How far does it fly in wind?' WHERE id = 2")
    expect(newest.get_by_role("link", name="How far does it fly in wind?")).to_be_visible()
    query(shop, "DELETE FROM faqs WHERE id = 2")
    expect(newest.get_by_text("Deleted")).to_be_visible()
    assert page.evaluate("window.marked")


def it_rests_and_goes_on(page: Page, served: Served) -> None:
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog", name="Pause shop?").get_by_role("button", name="Pause").click()
    expect(page.get_by_text("shop is paused.")).to_be_visible()
    expect(page.get_by_role("button", name="Read again")).to_be_disabled()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("shop goes on.")).to_be_visible()
    page.get_by_role("button", name="Read again").click()
    page.get_by_role("menuitem", name="All tables, while streaming goes on").click()
    expect(page.get_by_text("Being read: public.faqs, public.products")).to_be_visible()
    (found,) = served.kb.catalog.collections.all()
    assert served.kb.catalog.sources.get(found, "shop").state.value == "active"


def it_goes_without_a_trace(page: Page, shop: str, served: Served) -> None:
    page.get_by_role("button", name="Delete").click()
    asked_once = page.get_by_role("dialog", name="Delete the source shop?")
    expect(asked_once.get_by_text("replication slot")).to_be_visible()
    asked_once.get_by_role("button", name="Delete shop").click()
    expect(page.get_by_role("heading", name="Sources")).to_be_visible()
    slots = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
    eventually(lambda: query(shop, slots) == [])
    (found,) = served.kb.catalog.collections.all()
    assert served.kb.catalog.sources.all(found) == []
    assert served.kb.catalog.documents.keys(found) == set()
