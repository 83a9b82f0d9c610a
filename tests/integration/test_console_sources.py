"""The console's pages about sources and dead letters in a real browser, over one process with no other server."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import change_events
import console_axe
import console_pages
import psycopg
import pytest
from console_ingestion import base, person, row, served
from console_pages import opened
from playwright.sync_api import Browser, BrowserContext, Page, expect
from served import Served, fill

from ingest.sources.files import FileSource
from retrieval.catalog import Collection, Commit, DeadLetter
from retrieval.catalog.keys import Scope
from retrieval.catalog.source_runs import RunWork
from retrieval.types import OPERATOR

__all__ = ["base", "person", "served"]  # fixtures, found by their names here
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TOPIC = "kb-shop-1.public.faqs"
EVIL = "<img src=x onerror=\"document.title='evil'\">"
PAGES = ("sources", "sources/shop", "letters", "upload")  # of a collection
SHOP = """
    CREATE TABLE products (id int PRIMARY KEY, name text);
    CREATE TABLE faqs (id int PRIMARY KEY, product_id int REFERENCES products, question text, answer text,
                       visible_to text);
    CREATE TABLE logs (at timestamptz, line text);
    INSERT INTO products VALUES (1, 'Falcon 7');
    INSERT INTO faqs VALUES (1, 1, 'How long does the battery last?', 'About nine hours of flight.', 'everyone'),
                            (2, 1, 'How far does it fly?', 'Two kilometres in the open.', 'everyone');"""


def collection(served: Served, name: str) -> Collection:
    """A collection with documents, and a live source "shop" as it is stored after it was connected."""
    fill(served, name)
    found = served.kb.catalog.collections.get(name)
    source = change_events.live_source(served.kb.catalog, found, "shop", "kb-shop-1")
    config = source.config | {"url": "postgresql://kb@127.0.0.1:1/shop"}
    served.kb.catalog.sources.change(source, config=config)
    return found


def letter(
    number: int,
    body: str,
    *,
    reason: str = "EncoderError: out of memory",
    cut: bool = False,
    headers: tuple[tuple[str, bytes], ...] = (),
) -> DeadLetter:
    """A message that tells of row 7; `cut` leaves half of it."""
    row = {"id": 7, "title": "Question 7", "body": body, "status": "a"}
    key, value = change_events.event("public.faqs", "u", 7, row, 1_000 + number).message
    assert value is not None
    return DeadLetter(
        "shop",
        f"{TOPIC}/0@{number}",
        reason,
        "mend the row, or replay",
        payload=value[: len(value) // 2] if cut else value,
        topic=TOPIC,
        partition=0,
        offset=number,
        message_key=key,
        headers=headers,
    )


def bury(served: Served, found: Collection, *letters: DeadLetter) -> None:
    served.kb.catalog.writer.commit(found.id, Commit(dead_letters=letters))


def text_of(served: Served, found: Collection, key: str) -> str:
    return served.kb.catalog.documents.get(found, key, OPERATOR).document.text


def counts(page: Page) -> list[str]:
    """New, updated, deleted, skipped and failed of the newest entry of the run log."""
    newest = page.get_by_role("table", name="Run log").get_by_role("row").nth(1)
    newest.wait_for()
    return newest.get_by_role("cell").all_inner_texts()[2:]


def test_a_dead_letter_is_found_understood_and_replayed(served: Served, person: BrowserContext) -> None:
    found = collection(served, "mended")
    headers = (("__debezium.newkey", b'{"id":7}'), ("trace", b"\xff"), ("trace", EVIL.encode()))
    bury(served, found, letter(1, "The first answer.", headers=headers))
    page = opened(person, "/c/mended/letters")
    page.get_by_role("button", name=f"{TOPIC}/0@1").click()
    shown = page.get_by_role("table", name="The message's headers").get_by_role("row")
    expect(shown).to_have_count(1 + len(headers))
    assert shown.nth(1).inner_text().split("\t") == ["__debezium.newkey", '{"id":7}']
    assert shown.nth(2).inner_text().split("\t") == ["trace", "\N{REPLACEMENT CHARACTER}"]
    assert shown.nth(3).inner_text().split("\t") == ["trace", EVIL]
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("It worked")).to_be_visible()
    assert text_of(served, found, "public.faqs/7") == "Question 7\nThe first answer."
    bury(served, found, letter(2, "A better answer.", reason=EVIL), letter(3, "Never read.", cut=True))

    page.goto("/console/")  # nobody has said yet where to look
    alert = page.get_by_role("alert").filter(has_text="2 inputs of source shop could not be read")
    alert.first.get_by_role("link").press("Enter")
    expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    page.get_by_role("button", name=f"{TOPIC}/0@2").click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text(EVIL)).to_be_visible()
    expect(drawer.get_by_text("headers")).to_have_count(0)
    expect(drawer.get_by_text("Searches still find the former version")).to_be_visible()
    assert "changed" in drawer.get_by_role("row").filter(has_text="body").inner_text()
    assert "A better answer." in drawer.get_by_role("row").filter(has_text="body").inner_text()
    assert "changed" not in drawer.get_by_role("row").filter(has_text="status").inner_text()
    assert '\n  "after": {' in drawer.get_by_role("region", name="What was received").inner_text()
    drawer.get_by_role("button", name="Try again").click()
    expect(drawer.get_by_text("It worked")).to_be_visible()
    assert text_of(served, found, "public.faqs/7") == "Question 7\nA better answer."
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Try all again").click()
    told = page.get_by_role("status").filter(has_text="0 settled, 1 failed again")
    expect(told).to_be_visible()
    assert "not JSON" in told.inner_text()
    assert page.title() != "evil"
    page.get_by_role("button", name=f"{TOPIC}/0@3").click()
    page.get_by_role("dialog").get_by_role("button", name="Drop").click()
    page.get_by_role("dialog", name=re.compile("Drop kb-shop-1")).get_by_role("button", name="Drop").click()
    expect(page.get_by_text("No dead letters")).to_be_visible()


def test_a_thousand_letters_stay_usable(served: Served, person: BrowserContext) -> None:
    found = collection(served, "thousand")
    bury(served, found, *(letter(number, "x" * 2_000, reason=f"reason {number}") for number in range(1_000)))
    page = opened(person, "/c/thousand/letters")
    expect(page.get_by_text("1,000 dead letters")).to_be_visible()
    seen: set[str] = set()
    for number in range(1, 21):
        expect(page.get_by_text(f"Page {number}", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name=f"{TOPIC}/0@{(number - 1) * 50}", exact=True)).to_be_visible()
        shown = page.get_by_role("table").get_by_role("button").all_inner_texts()
        assert len(shown) == 50, "a page is a page, however many there are"
        seen |= set(shown)
        if number < 20:
            page.get_by_role("button", name="Next").click()
    assert len(seen) == 1_000
    page.get_by_role("button", name=f"{TOPIC}/0@999").press("Enter")  # by keyboard, and back where one was
    expect(page.get_by_role("dialog").get_by_text("reason 999")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=f"{TOPIC}/0@999")).to_be_focused()
    page.get_by_role("button", name="Drop all").click()
    asked = page.get_by_role("dialog", name="Drop all 1,000 dead letters of thousand?")
    asked.get_by_role("button", name="Cancel").click()
    assert len(served.kb.catalog.sources.dead_letters(found, 2_000)) == 1_000
    page.get_by_role("button", name="Drop all").click()
    asked.get_by_role("button", name="Drop all").click()
    expect(page.get_by_text("1,000 dead letters were dropped.")).to_be_visible()
    expect(page.get_by_text("No dead letters")).to_be_visible()


def test_a_source_tells_what_it_did_and_goes_with_a_warning(
    served: Served, person: BrowserContext, tmp_path: Path
) -> None:
    found = collection(served, "logged")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("A text about turbines.")
    (folder / "b.pdf").write_bytes(b"no pdf")
    served.kb.ingest("logged", source := FileSource(folder))
    shop = served.kb.catalog.sources.get(found, "shop")
    work = RunWork({"created": 31, "updated": 5, "metadata": 2, "deleted": 4, "unchanged": 8}, 3, 60, {"encode": 0.6})
    served.kb.catalog.source_runs.stream(shop.id, shop.updated_at, work)
    page = opened(person, "/c/logged/sources")
    assert "Live database" in row(page, "shop") and "Folder of the server" in row(page, source.name)
    page.get_by_role("link", name="shop", exact=True).click()
    assert counts(page) == ["31", "7", "4", "8", "3"]
    expect(page.get_by_role("img", name=re.compile(r"Where the time goes\. .*embed: 10"))).to_be_visible()
    expect(page.get_by_text("Kafka Connect").first).to_be_visible()  # what keeps it from running is said
    page.goto("/console/c/logged/sources")
    page.get_by_role("link", name=source.name).click()
    page.reload()
    expect(page.get_by_role("heading", name=source.name)).to_be_visible()
    assert counts(page) == ["1", "0", "0", "0", "1"]
    page.get_by_role("button", name="Delete").click()
    asked = page.get_by_role("dialog", name=f"Delete the source {source.name}?")
    expect(asked.get_by_text("cannot be undone")).to_be_visible()
    asked.get_by_role("button", name=f"Delete {source.name}").click()
    expect(page.get_by_text(f"{source.name} is deleted, with 1 document.")).to_be_visible()
    expect(page.get_by_role("heading", name="Sources")).to_be_visible()
    assert [one.name for one in served.kb.catalog.sources.all(found)] == ["shop"]


@pytest.mark.server
def test_a_database_is_connected_by_keyboard_without_kafka(
    served: Served, person: BrowserContext, fresh_postgres: str
) -> None:
    url = urlsplit(fresh_postgres)._replace(scheme="postgresql")
    with psycopg.connect(url.geturl(), autocommit=True) as connection:
        connection.execute(SHOP.encode())
    page = opened(person, "/connect")
    page.get_by_label("Host").fill(url.hostname or "")
    page.get_by_label("Port").fill(str(url.port))
    page.get_by_label("Database name").fill("no_such_database")
    page.get_by_label("User").fill(url.username or "")
    page.get_by_label("User").press("Enter")
    expect(page.get_by_text("It cannot be used yet")).to_be_visible()
    expect(page.get_by_role("button", name="Choose tables")).to_be_disabled()
    page.get_by_label("Database name").fill(url.path.strip("/"))
    page.get_by_label("Database name").press("Enter")
    expect(page.get_by_text("can be read. To follow it live")).to_be_visible()
    assert "ALTER SYSTEM SET wal_level = logical;" in row(page, "wal_level")
    expect(page.get_by_text("Following live needs Kafka Connect")).to_be_visible()
    page.get_by_role("button", name="Choose tables").press("Enter")
    page.get_by_label("public.faqs").press("Space")
    expect(page.get_by_label("public.logs")).to_be_disabled()
    console_axe.check(page)
    page.get_by_role("button", name="Say what becomes of them").press("Enter")
    shown = page.get_by_role("article", name="public.faqs/1")
    expect(shown.get_by_text("How long does the battery last?")).to_be_visible()
    expect(shown.get_by_text("everyone")).to_be_visible()  # the column of rights was guessed
    page.get_by_label("products: the row of public.products").press("Space")
    expect(shown.get_by_text("products: Falcon 7")).to_be_visible()
    page.get_by_label("Text", exact=True).fill("{answer} Says {nobody}.")
    expect(page.get_by_role("alert").get_by_text("nobody").first).to_be_visible()
    expect(page.get_by_role("button", name="Looks right")).to_be_disabled()
    page.get_by_label("Text", exact=True).fill("{answer} ({products.name})")
    expect(shown.get_by_text("About nine hours of flight. (Falcon 7)")).to_be_visible()
    console_axe.check(page)
    page.get_by_role("button", name="Looks right").press("Enter")
    page.get_by_label("Name of the source").fill("shop")
    page.locator("main form input").nth(1).fill("asked")
    page.get_by_role("heading", level=1).click()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("2 new · 0 updated")).to_be_visible()
    page.get_by_label("Question").fill("How long does the battery last?")
    page.get_by_label("Question").press("Enter")
    answer = page.get_by_role("status", name="Answer")
    expect(answer.get_by_text("About nine hours of flight").first).to_be_visible()
    expect(answer.get_by_role("link", name="How long does the battery last?")).to_be_visible()
    console_axe.check(page)
    with psycopg.connect(url.geturl(), autocommit=True) as connection:
        connection.execute("UPDATE products SET name = 'Falcon 8'")
    page.get_by_role("link", name="To the source").click()
    page.get_by_role("button", name="Read now").click()
    expect(page.get_by_text("0 new · 2 updated")).to_be_visible()
    expect(page.get_by_role("table", name="Newest changes").get_by_text("Updated").first).to_be_visible()
    found = served.kb.catalog.collections.get("asked")
    assert "Falcon 8" in text_of(served, found, "public.faqs/1")
    its_mapping_is_changed(page)
    assert text_of(served, found, "public.faqs/1").endswith("About nine hours of flight. Ask your dealer.")
    assert served.kb.catalog.documents.keys(found) == {"public.faqs/1", "public.faqs/2", "public.products/1"}


def its_mapping_is_changed(page: Page) -> None:
    """Another text and another table, seen as documents before they are stored; the password is not asked for again."""
    page.get_by_role("button", name="Change", exact=True).press("Enter")
    drawer = page.get_by_role("dialog", name="Mapping of shop")
    expect(drawer.get_by_role("article", name="public.faqs/1").get_by_text("(Falcon 8)")).to_be_visible()
    expect(drawer.get_by_role("button", name="Save and read again")).to_be_disabled()  # nothing is different yet
    drawer.get_by_label("Text", exact=True).fill("{answer} Ask your dealer.")
    expect(drawer.get_by_role("article", name="public.faqs/1").get_by_text("Ask your dealer.")).to_be_visible()
    drawer.get_by_label("Tables whose rows become documents").click()
    page.get_by_role("option", name="public.products").click()
    drawer.get_by_role("tab", name="public.products").click()
    expect(drawer.get_by_role("article", name="public.products/1")).to_be_visible()
    console_axe.check(page)
    drawer.get_by_role("button", name="Save and read again").click()
    expect(page.get_by_text("shop has a new mapping")).to_be_visible()
    expect(page.get_by_text("1 new · 2 updated")).to_be_visible()


def test_collections_are_made_changed_and_deleted_by_name(served: Served, person: BrowserContext) -> None:
    page = opened(person, "/collections")
    page.get_by_role("button", name="New collection").click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_label("Name").fill("Not allowed")
    expect(drawer.get_by_text("Small letters, digits")).to_be_visible()
    drawer.get_by_label("Name").fill("handbook")
    drawer.get_by_label("Words that mean the same").fill("warranty, guarantee, 保修\nalone")
    drawer.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Upload files to handbook")).to_be_visible()
    settings = served.kb.catalog.collections.get("handbook").settings
    assert settings.synonyms == (("warranty", "guarantee", "保修"),)
    page.goto("/console/collections")
    page.get_by_role("button", name="Delete handbook").click()
    asked = page.get_by_role("dialog", name="Delete the collection handbook?")
    asked.get_by_label("Type handbook to confirm").fill("handboo")
    expect(asked.get_by_role("button", name="Delete it for ever")).to_be_disabled()
    asked.get_by_label("Type handbook to confirm").fill("handbook")
    asked.get_by_role("button", name="Delete it for ever").click()
    expect(page.get_by_text("Collection handbook is deleted.")).to_be_visible()
    assert "handbook" not in {one.name for one in served.kb.catalog.collections.all()}


def test_read_only_keys_see_neither_page_nor_data(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    found = collection(served, "closed")
    bury(served, found, letter(1, "Nobody's business."))
    with console_pages.person(chromium, address, served.key(Scope.READ)) as reader:
        page = opened(reader, "/")
        expect(page.get_by_role("table", name="Sources").get_by_text("shop").first).to_be_visible()
        expect(page.get_by_role("main").locator("a[href*='/sources'], a[href*='/letters']")).to_have_count(0)
        menu = page.get_by_role("navigation", name="Pages")
        for name in ("Sources", "Dead letters", "Upload files", "Connect a database", "Collections"):
            expect(menu.get_by_role("link", name=name)).to_have_count(0)
        for path in (*(f"/c/closed/{one}" for one in PAGES), "/sources", "/connect", "/collections"):
            page.goto(f"/console{path}")
            expect(page.get_by_text("This page is not for your key")).to_be_visible()
            assert "Nobody's business" not in page.content() and TOPIC not in page.content()
        for path in ("dead-letters", "source-runs", "source-changes"):
            assert page.evaluate(f"fetch('/v1/{path}?collection=closed').then(answer => answer.status)") == 403
    with console_pages.person(chromium, address, served.key(Scope.READ, collections=[])) as nobody:
        page = opened(nobody, "/")
        expect(page.get_by_text("There is no collection that your key may read")).to_be_visible()
        expect(page.get_by_role("main").get_by_text("Connect a database")).to_have_count(0)


def test_axe_finds_nothing_serious_light_or_dark(served: Served, person: BrowserContext) -> None:
    found = collection(served, "checked")
    bury(served, found, letter(1, "An answer."), letter(2, "Another.", cut=True))
    for path in (*(f"/c/checked/{one}" for one in PAGES), "/sources", "/connect", "/collections"):
        page = opened(person, path)
        expect(page.get_by_role("status", name="Loading…")).to_have_count(0)
        console_axe.check(page)
        page.close()
    page = opened(person, "/c/checked/letters")
    page.get_by_role("button", name=f"{TOPIC}/0@1").click()
    expect(page.get_by_role("dialog").get_by_text("What was received").first).to_be_visible()
    console_axe.check(page)


def test_the_pages_speak_chinese(chromium: Browser, base: tuple[Served, str]) -> None:
    served, address = base
    found = collection(served, "chinese")
    served.kb.catalog.sources.create(found, "asked", "sql", {"tables": {"public.faqs": change_events.MAPPING}})
    job = {"id": "1", "kind": "source_snapshot", "arguments": {"source": "asked"}, "state": "cancelled", "error": ""}
    with console_pages.person(chromium, address, served.key(Scope.ADMIN), locale="zh-CN") as context:
        context.route("**/v1/jobs?*source_snapshot*", lambda route: route.fulfill(json={"jobs": [job]}))
        for path, heading in (
            ("/c/chinese/sources", "数据源"),
            ("/c/chinese/sources/asked", "asked"),
            ("/c/chinese/letters", "死信"),
            ("/c/chinese/upload", "上传文件到 chinese"),
            ("/connect", "连接数据库"),
            ("/collections", "知识库"),
        ):
            page = opened(context, path)
            expect(page.get_by_role("heading", level=1)).to_have_text(heading)
            expect(page.get_by_role("status", name="正在加载…")).to_have_count(0)
            main = page.get_by_role("main").inner_text()
            assert "cancelled" not in main
            assert not re.search(r"\b(the|is|are|and|Choose|None|Delete)\b", main), main
            page.close()
