"""Ruled tables of PDF files: on every page, while there is time; then the metadata says from which page on not."""

from __future__ import annotations

import io

import pdfplumber
import pypdf
import pytest
from drawn_pdf import pdf, table, text
from pdfplumber.page import Page
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from ingest.parsers import parse_file, pdf_tables
from ingest.parsers.limits import Deadline
from ingest.parsers.pdf_tables import read_tables
from retrieval.types import BlockKind

PARTS = [["Part", "Stock"], ["Valve", "12"], ["Pump", "7"]]
ROWS = "| Part | Stock |\n| Valve | 12 |\n| Pump | 7 |"
WORDS = ["Nothing but words stands here.", "No rule is drawn.", "Read on."]  # on less than half of the pages each


def page(number: int, has_table: bool) -> str:
    words = text([WORDS[number % len(WORDS)]])
    return f"{words}\n{table(PARTS, 700)}" if has_table else words


def report(pages: int, *with_tables: int) -> bytes:
    """Pages of words, those of these numbers with a ruled table below them."""
    return pdf([page(number, number in with_tables) for number in range(1, pages + 1)])


def tables_of(data: bytes) -> list[tuple[int | None, str]]:
    parsed = parse_file(data, "report.pdf")
    assert "tables_unread_from" not in parsed.metadata
    tables = [block for block in parsed.outline if block.kind is BlockKind.TABLE]
    return [(block.page, parsed.text[block.start : block.end]) for block in tables]


def test_tables_are_rows_however_late_they_come() -> None:
    assert tables_of(report(120, 2, 51, 120)) == [(2, ROWS), (51, ROWS), (120, ROWS)]


def test_pages_without_rules_are_not_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("looked for tables where nothing is drawn")

    monkeypatch.setattr(Page, "extract_tables", never)
    monkeypatch.setattr(pdfplumber, "open", never)
    assert tables_of(report(3)) == []


def test_a_table_in_a_group_of_drawings_is_found() -> None:
    """As programs pack a page that they place as a whole."""
    writer = pypdf.PdfWriter(io.BytesIO(report(1, 1)))
    placed = writer.pages[0]
    group = DecodedStreamObject()
    group.set_data(placed.get_contents().get_data())  # type: ignore[union-attr]
    group.update({NameObject("/Type"): NameObject("/XObject"), NameObject("/Subtype"): NameObject("/Form")})
    group.update({NameObject("/BBox"): placed.mediabox, NameObject("/Resources"): placed["/Resources"]})
    named = DictionaryObject({NameObject("/G"): writer._add_object(group)})
    placed[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): named})
    contents = DecodedStreamObject()
    contents.set_data(b"/G Do")
    placed[NameObject("/Contents")] = writer._add_object(contents)
    stream = io.BytesIO()
    writer.write(stream)
    assert tables_of(stream.getvalue()) == [(1, ROWS)]


@pytest.mark.parametrize(("seconds", "of_the_file"), [(0.0, 60.0), (30.0, 0.0)])
def test_without_time_tables_are_running_text_and_the_metadata_says_so(
    monkeypatch: pytest.MonkeyPatch, seconds: float, of_the_file: float
) -> None:
    data = report(6, 3, 5)
    monkeypatch.setattr(pdf_tables, "TABLE_SECONDS", seconds)
    assert read_tables(data, "report.pdf", {3, 5}, Deadline("report.pdf", of_the_file)) == (
        {},
        {"tables_unread_from": 3},
    )
    if not seconds:
        parsed = parse_file(data, "report.pdf")
        assert parsed.metadata == {"pages": 6, "tables_unread_from": 3}
        assert "Valve" in parsed.text and "| Valve" not in parsed.text


def test_what_the_library_cannot_read_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Page.extract_tables

    def fails_on_the_fifth(page: Page) -> object:
        if page.page_number == 5:
            raise ValueError("a damaged font")
        return read(page)

    monkeypatch.setattr(Page, "extract_tables", fails_on_the_fifth)
    parsed = parse_file(report(9, 3, 5, 6), "report.pdf")
    assert parsed.metadata["tables_unread_from"] == 5
    assert parsed.text.count(ROWS) == 1 and parsed.text.count("Valve") == 3
