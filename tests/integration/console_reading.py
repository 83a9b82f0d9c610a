"""A small library for the console's reading pages, and what their tests look at in a page."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import console_pages
from playwright.sync_api import Page, expect
from served import Served, fill

from retrieval.catalog.keys import Scope

ENGLISH = Path(__file__).parents[2] / "api/console/src/i18n/en"
TEXT = re.compile(r'^  "[\w.-]+": "((?:[^"\\]|\\.)*)"', re.MULTILINE)
SAME_IN_BOTH = {"API", "JSON"}
SCRIPT_TITLE = "<script>document.title='broken'</script>"
BRAKE = "The brake resistor of the AX-1200 lasts 8 years."
BRAKE_NOW = "The brake resistor of the AX-1200 lasts 9 years."
MANUALS = 30


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[Served, str]]:
    """The library with the console's pages on a port; the base URL."""
    with console_pages.serving(folder) as (served, address):
        fill_library(served)
        yield served, address


def fill_library(served: Served) -> None:
    """Documents in two versions, with a title that is markup, for one group only, and many that are alike."""
    fill(served)
    put(served, "faq/brake", title="Life of the brake resistor", text=f"{BRAKE}\nMeasure it every 12 months.")
    put(served, "faq/brake", title="Life of the brake resistor", text=f"{BRAKE_NOW}\nMeasure it every 6 months.")
    evil = "<img src=x onerror=\"document.title='broken'\"> Hydraulic couplings are greased every 40 days."
    put(served, "evil", title=SCRIPT_TITLE, text=evil)
    # Characters beyond 16 bits before the answer: offsets count them once, JavaScript twice.
    put(
        served,
        "signs",
        title="Signs 😀",
        text="😀😀 𠮷野家 opens. The lighthouse lamp is changed every 90 days. 😀 Done.",
    )
    bulk(served, [manual(number) for number in range(MANUALS)])


def manual(number: int) -> dict[str, Any]:
    """One of the documents that are alike."""
    text = f"Drive number {number} turns with {number * 3} Nm of torque. " * 3
    return {
        "id": f"manual/{number:03}",
        "title": f"Manual of drive {number}",
        "text": text,
        "metadata": {"number": number},
    }


def bulk(served: Served, documents: list[dict[str, Any]]) -> None:
    """Store many documents in one request, and wait until they are found."""
    path = "/v1/collections/docs/documents:bulk?wait_for=searchable"
    headers = served.headers(Scope.ADMIN) | {"Content-Type": "application/x-ndjson"}
    answer = served.client.post(path, content="\n".join(map(json.dumps, documents)), headers=headers)
    assert answer.status_code == 200, answer.text


def put(served: Served, key: str, **body: Any) -> None:
    """Store a document and wait until it is found."""
    path = f"/v1/collections/docs/documents/{key}?wait_for=searchable"
    served.client.put(path, json=body, headers=served.headers(Scope.ADMIN)).raise_for_status()


def get(served: Served, path: str, **params: Any) -> Any:
    """What the API says to an admin."""
    answer = served.client.get(f"/v1{path}", params=params, headers=served.headers(Scope.ADMIN))
    answer.raise_for_status()
    return answer.json()


def search(served: Served, query: str, **more: Any) -> list[dict[str, Any]]:
    """The hits that the API gives to an admin."""
    body = {"query": query, "collection": "docs", "explain": True, **more}
    answer = served.client.post("/v1/search", json=body, headers=served.headers(Scope.ADMIN))
    answer.raise_for_status()
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits


def confirm(page: Page, button: str) -> None:
    """Agree to what the dialog asks."""
    page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()


def english_left(page: Page) -> list[str]:
    """English texts of the pages that stand on this one, though it is shown in another language."""
    known = {text for path in ENGLISH.glob("*.ts") for text in TEXT.findall(path.read_text("utf-8"))} - SAME_IN_BOTH
    shown: list[str] = page.evaluate(
        """() => {
            const words = [];
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) words.push(walker.currentNode.data.trim());
            for (const one of document.querySelectorAll('[aria-label], [placeholder]'))
                words.push(one.getAttribute('aria-label') ?? '', one.getAttribute('placeholder') ?? '');
            return words;
        }"""
    )
    return sorted(set(shown) & {text for text in known if len(text) > 2})


def marked(page: Page) -> str:
    """The stretch of a document's text that is marked."""
    mark = page.locator("mark[data-cited]")
    expect(mark).to_be_visible()
    return mark.inner_text()
