"""Parsers on forty real documents: Chinese standards, reports, scans, damaged and encrypted files."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path

import pytest

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers import parse_file

ROOT = Path(os.environ.get("KB_TEST_DATA_DIR", Path(__file__).parents[2] / "../shared/data")) / "documents"
pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,  # large PDF files; about half a minute
    pytest.mark.skipif(not ROOT.exists(), reason=f"{ROOT} is absent; set KB_TEST_DATA_DIR"),
]
UNREADABLE = {
    "zh_scanned_8_pages.pdf": "KB_OCR",  # not recognised here, which would take long
    "en_encrypted_known_password.pdf": "encrypted",
    "en_encrypted.xlsx": "encrypted",
    "empty.xlsx": "holds no text",
    "zh_nuclear_guide_part1.doc": "save it as .docx",
}


@cache
def parse(name: str) -> ParsedDocument:
    return parse_file((ROOT / "files" / name).read_bytes(), name, ocr=name not in UNREADABLE)


def names() -> list[str]:
    if not ROOT.exists():
        return []
    lines = (ROOT / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [Path(json.loads(line)["file"]).name for line in lines]


@pytest.mark.parametrize("name", names())
def test_each_is_read_or_refused_with_a_reason(name: str) -> None:
    if name in UNREADABLE:
        with pytest.raises(ParseError, match=UNREADABLE[name]):
            parse(name)
        return
    parsed = parse(name)
    assert parsed.title and parsed.text
    assert all(parsed.text[block.start : block.end].strip() for block in parsed.outline)


@pytest.mark.parametrize(
    ("name", "phrases"),
    [
        ("zh_nuclear_guide_part6.docx", ["核电厂定期安全评价", "构筑物"]),
        ("zh_vertical_merged_cells.docx", ["遗传病检测项目表"]),
        ("ja_steel_datasheet_utf16.html", ["SNB22-3"]),
        ("en_mail_utf16.eml", ["Test Email"]),
        ("en_mail_outlook.msg", ["This is an example email with a body", "Attachments: sample_pdf_1.pdf"]),
        ("mixed_en_es.rtf", ["free and equal in dignity and rights", "dotados como están de razón"]),
        ("en_book.epub", ["The Grave of the Slave", "His woes and his sorrows"]),
        ("en_wiki_duck.html", ["Anatidae"]),
        ("zh_issue_list.csv", ["| title |"]),
        ("en_copy_protected.pdf", ["LayoutParser"]),
        ("zh_quarterly_report_2018q1.pdf", ["第一节 重要提示"]),
        ("en_warn_report_table.pdf", ["Notice Date"]),
        ("en_image_only.pdf", ["Lorem ipsum dolor sit amet", "Donec ut luctus nisi"]),
        ("zh_scan_photo.jpeg", ["新鲜甘草黄酮养分", "适用人群"]),
    ],
)
def test_what_they_say_is_there(name: str, phrases: list[str]) -> None:
    text = parse(name).text
    for phrase in phrases:
        assert phrase in text


@pytest.mark.parametrize("name", ["en_word_sample.docx", "en_slides_sample.pptx", "en_sheets_sample.xlsx"])
def test_the_words_are_those_of_the_reference(name: str) -> None:
    reference = (ROOT / "reference_markdown" / f"{name}.md").read_text(encoding="utf-8")
    expected = set(re.findall(r"[A-Za-z]{3,}", re.sub(r"<!--.*?-->|!\[.*?\]\(.*?\)", "", reference, flags=re.DOTALL)))
    expected -= {"Line", "Scatter", "chart"}  # pictures of charts, which have no cells
    found = set(re.findall(r"[A-Za-z]{3,}", parse(name).text))
    assert len(expected & found) >= 0.9 * len(expected), sorted(expected - found)


def test_pages_of_a_pdf_count_up() -> None:
    pages = [block.page for block in parse("zh_battery_datasheet.pdf").outline]
    assert pages == sorted(page or 0 for page in pages)
    assert pages[0] == 1 and (pages[-1] or 0) >= 20


def test_a_scan_is_not_called_by_the_picture_in_it() -> None:
    assert parse("en_image_only.pdf").title == "en_image_only"  # its property says loremipsum.jpg


def test_ruled_tables_become_rows() -> None:
    parsed = parse("en_warn_report_table.pdf")
    assert parsed.text.count("\n| ") > 300
