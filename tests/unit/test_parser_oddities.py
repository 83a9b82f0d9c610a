"""Pages, Office files, mails and tables that are made in less common ways are read as their readers see them."""

from __future__ import annotations

import pytest

from ingest.parsers import parse_file
from retrieval.types import BlockKind


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h3><button aria-expanded=false>How long?</button></h3><p>Two years.</p>", "How long?\n\nTwo years."),
        ("<h3>1. <button aria-expanded=false>How long?</button></h3><p>Two years.</p>", "1. How long?\n\nTwo years."),
        ("<h3><span><button>How long?</button></span></h3><p>Two years.</p>", "How long?\n\nTwo years."),
        ("<dl><dt><button>How long?</button></dt><dd>Two years.</dd></dl>", "How long?\n\nTwo years."),
        ("<h3>Warranty <button>Copy</button></h3><p>Two years.</p>", "Warranty\n\nTwo years."),
        ("<h3>Warranty <button>Copy</button><button>Edit</button></h3><p>Two years.</p>", "Warranty\n\nTwo years."),
        ("<h3>Warranty <button hidden aria-expanded=true>Less</button></h3><p>Two.</p>", "Warranty\n\nTwo."),
        ("<button aria-expanded=false>Menu</button><p>Two years.</p>", "Two years."),
    ],
)
def test_a_button_is_read_where_it_is_the_heading(page: str, text: str) -> None:
    parsed = parse_file(page.encode(), "faq.html")
    assert parsed.text == text
    assert (parsed.outline[0].kind is BlockKind.HEADING) is ("<h3>" in page)
