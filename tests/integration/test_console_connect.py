"""Connecting a database and changing its mapping in a real browser; what the database says is made up here."""

from __future__ import annotations

import re
from typing import Any

import change_events
import pytest
from console_ingestion import base, person, served
from console_pages import held, opened
from playwright.sync_api import BrowserContext, Page, expect
from served import Served, fill

__all__ = ["base", "person", "served"]  # fixtures, found by their names here
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
GOOD = {
    "ok": False,
    "readable": True,
    "live": False,
    "engine": "PostgreSQL",
    "version": "17",
    "facts": {},
    "findings": [],
}
PASTED = "postgresql://kb:100%s%C3%A4fe@db.example.com:80/{}"
ROW = {"key": "public.faqs/1", "title": "A", "text": "A text.", "language": "en", "metadata": {}, "acl": None}
SHOWN = {"documents": [ROW | {"uri": None}], "errors": []}
REFUSED = {"error": {"code": "busy", "message": "too many jobs wait"}}


def table(name: str, *columns: str) -> dict[str, Any]:
    found = [{"name": one, "type": "text", "nullable": True} for one in ("id", *columns)]
    return {"name": name, "columns": found, "primary_key": ["id"], "estimated_rows": 2, "includes": []}


def paste(page: Page, address: str) -> None:
    """Into the host, as from the clipboard."""
    page.get_by_label("Host").evaluate(
        """(field, text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData('text', text);
            field.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
        }""",
        address,
    )


def test_an_address_is_what_its_test_and_its_tables_belong_to(served: Served, person: BrowserContext) -> None:
    fill(served, "connecting")
    page = opened(person, "/connect")
    waiting = held(page, "**/v1/sources/test", "POST")
    page.route("**/v1/sources/tables", lambda route: route.fulfill(json={"tables": [table("public.faqs", "question")]}))
    page.route("**/v1/sources/preview", lambda route: route.fulfill(json=SHOWN))
    paste(page, PASTED.format("old"))
    expect(page.get_by_label("Host")).to_have_value("db.example.com")
    expect(page.get_by_label("Port")).to_have_value("80")
    expect(page.locator("input[autocomplete=new-password]")).to_have_value("100%säfe")
    with page.expect_request("**/v1/sources/test"):
        page.get_by_role("button", name="Test the connection").click()
    page.get_by_label("Database name").fill("new")
    waiting().fulfill(json=GOOD)  # of the database that nobody asks for any more
    page.wait_for_timeout(500)
    expect(page.get_by_role("button", name="Choose tables")).to_have_count(0)
    with page.expect_request("**/v1/sources/test") as asked:
        page.get_by_role("button", name="Test the connection").click()
    assert asked.value.post_data_json["url"] == "postgresql://kb:100%25s%C3%A4fe@db.example.com:80/new"
    waiting().fulfill(json=GOOD)
    page.get_by_role("button", name="Choose tables").click()
    page.get_by_label("public.faqs").check()
    page.get_by_role("button", name="Back").click()
    page.get_by_label("Database name").fill("other")
    with page.expect_request("**/v1/sources/test"):
        page.get_by_role("button", name="Test the connection").click()
    waiting().fulfill(json=GOOD)
    page.get_by_role("button", name="Choose tables").click()
    expect(page.get_by_text("0 tables chosen")).to_be_visible()
    expect(page.get_by_label("public.faqs")).not_to_be_checked()
    page.get_by_label("public.faqs").check()
    page.get_by_role("button", name="Say what becomes of them").click()
    page.get_by_role("button", name="Looks right").click()
    page.get_by_label("Name of the source").fill("half")
    page.get_by_role("combobox", name="Collection", exact=False).last.fill("connecting")
    its_reading_cannot_begin(served, page)


def its_reading_cannot_begin(served: Served, page: Page) -> None:
    """The source is made all the same, and only its reading is tried again."""
    found = served.kb.catalog.collections.get("connecting")
    made = served.kb.catalog.sources.create(found, "half", "sql", {"tables": {"public.faqs": change_events.MAPPING}})
    source = {"name": made.name, "collection": "connecting", "kind": "sql", "state": "active"}
    page.route(re.compile("/v1/sources$"), lambda route: route.fulfill(status=201, json=source))
    page.route("**/v1/sources/half/snapshot?*", lambda route: route.fulfill(status=503, json=REFUSED))
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("its rows are not being read yet")).to_be_visible()
    told = page.get_by_role("main").get_by_text("too many jobs wait")
    expect(told).to_be_visible()
    page.unroute("**/v1/sources/half/snapshot?*")
    asked = {"id": "1", "kind": "job", "tables": ["public.faqs"]}
    page.route("**/v1/sources/half/snapshot?*", lambda route: route.fulfill(status=202, json=asked))
    page.get_by_role("button", name="Try again").click()
    expect(told).to_have_count(0)
    cited = {"number": 1, "document_id": "connecting/faqs/1", "start": 0, "end": 4, "quote": "Nine", "title": ""}
    answer = {"answer": "Nine hours [1].", "refused": False, "citations": [cited]}
    page.route("**/v1/answers", lambda route: route.fulfill(json=answer))
    page.get_by_label("Question").fill("How long?")
    page.get_by_label("Question").press("Enter")
    expect(page.get_by_role("status", name="Answer").get_by_role("link", name="faqs/1")).to_be_visible()


def test_a_mapping_comes_back_and_what_is_left_over_is_told(served: Served, person: BrowserContext) -> None:
    fill(served, "mapped")
    found = served.kb.catalog.collections.get("mapped")
    made = change_events.live_source(served.kb.catalog, found, "shop", "kb-mapped")
    served.kb.catalog.sources.change(made, config=made.config | {"url": "postgresql://kb@127.0.0.1:1/shop"})
    page = opened(person, "/c/mapped/sources/shop")
    tables = [table("public.faqs", "title", "body", "status", "note"), table("public.products", "name")]
    page.route("**/v1/sources/shop/tables?*", lambda route: route.fulfill(json={"tables": tables}))
    page.route("**/v1/sources/shop/preview?*", lambda route: route.fulfill(json=SHOWN))
    page.get_by_role("button", name="Change", exact=True).click()
    drawer = page.get_by_role("dialog", name="Mapping of shop")
    text = drawer.get_by_label("Text", exact=True)
    expect(text).to_have_value("{title}\n{body}")
    chosen = drawer.get_by_label("Tables whose rows become documents")
    save = drawer.get_by_role("button", name="Save and read again")
    for option in ("public.products", "public.faqs"):
        chosen.click()
        page.get_by_role("option", name=option).click()
    expect(drawer.get_by_role("tab", name="public.faqs")).to_have_count(0)
    expect(save).to_be_enabled()
    for option in ("public.faqs", "public.products"):  # as it was
        page.get_by_role("option", name=option).click()
    page.keyboard.press("Tab")
    expect(text).to_have_value("{title}\n{body}")
    expect(save).to_be_disabled()
    drawer.get_by_role("button", name="Cancel").click()

    deletion = held(page, "**/v1/sources/shop?*", "DELETE")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog", name="Delete the source shop?")
    with page.expect_request(lambda one: one.method == "DELETE"):
        dialog.get_by_role("button", name="Delete shop").click()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_disabled()
    page.keyboard.press("Escape")
    page.mouse.click(5, 5)
    left = {"what": "replication slot", "why": "no answer", "sql": "SELECT pg_drop_replication_slot('kb_mapped');"}
    deletion().fulfill(json={"deleted_documents": 3, "leftovers": [left]})
    expect(dialog.get_by_text("pg_drop_replication_slot")).to_be_visible()
    page.keyboard.press("Escape")
    page.mouse.click(5, 5)
    page.wait_for_timeout(500)
    expect(dialog.get_by_text("pg_drop_replication_slot")).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    expect(page.get_by_role("heading", level=1, name="Sources")).to_be_visible()
