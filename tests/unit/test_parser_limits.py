"""The time a parser may take is its own, not that of whatever else the machine does."""

from __future__ import annotations

import io
import json
import random
import time
import zipfile
from collections import Counter
from collections.abc import Callable

import docx
import openpyxl
import pytest
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from ingest.errors import ParseError
from ingest.parsers import builder, parse_file
from ingest.parsers.builder import TextBuilder
from ingest.parsers.limits import Deadline
from retrieval.types import BlockKind


def test_work_ends_and_waiting_does_not() -> None:
    deadline = Deadline("scan.pdf", 0.02)
    time.sleep(0.05)
    deadline.check()
    with pytest.raises(ParseError, match=r"scan\.pdf takes more than 0 s of processor time"):
        while True:
            deadline.check()


@pytest.mark.parametrize("add", ["paragraph", "blank", "table"])
def test_every_parser_is_asked_between_blocks_and_rows(add: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "Deadline", lambda name: Deadline(name, 0.02))
    text = TextBuilder("a.json")
    with pytest.raises(ParseError, match=r"a\.json takes more than 0 s of processor time"):
        for _ in range(100_000):
            text.table([["a", "b"]]) if add == "table" else text.paragraph("x" if add == "paragraph" else "")


def word(*paragraphs: str) -> bytes:
    document = docx.Document()
    for style in paragraphs:
        document.element.body.insert(0, OxmlElement("w:p"))
        document.element.body[0].style = style
        document.element.body[0].add_r().text = "one line"
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def test_styles_of_word_are_looked_up_once() -> None:
    data = word(*["Heading1", "ListBullet", "Unknown"] * 1_000)
    start = time.thread_time()
    kinds = Counter(block.kind for block in parse_file(data, "a.docx").outline)
    assert kinds == {BlockKind.HEADING: 1_000, BlockKind.LIST: 1_000, BlockKind.PARAGRAPH: 1_000}
    assert time.thread_time() - start < 2  # 4 s where each paragraph searches the styles


def test_a_list_of_word_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsers.docx.Deadline", lambda name: Deadline(name, 0))
    with pytest.raises(ParseError, match=r"a\.docx takes more than 0 s of processor time"):
        parse_file(word(*["ListBullet"] * 10), "a.docx")


def sparse_json() -> bytes:
    return json.dumps([{f"name {number}": number} for number in range(6_000)]).encode()


def one_wide_row() -> bytes:
    return b"x\n" * 3_000 + ",".join(f"c{number}" for number in range(3_000)).encode() + b"\nx" * 3_000


def one_long_cell() -> bytes:
    document = docx.Document()
    table = document.add_table(1_200, 2)
    for number, row in enumerate(table._tbl.tr_lst):
        merge = OxmlElement("w:vMerge", {qn("w:val"): "continue" if number else "restart"})
        row.tc_lst[0].get_or_add_tcPr().append(merge)
        row.tc_lst[1].p_lst[0].add_r().text = f"part {number}"
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("make", "name", "end"),
    [
        (sparse_json, "a.json", "name 5999: 5999"),
        (one_wide_row, "a.csv", "| x |"),
        (one_long_cell, "a.docx", "part 1199 |"),
        (lambda: b"<div>\nx\n" + b"<!-- " * 20_000, "a.md", "x"),
        (lambda: b"<div>\nx\n" + b"<a " * 20_000, "a.md", "x"),
    ],
)
def test_a_small_file_makes_no_huge_text(make: Callable[[], bytes], name: str, end: str) -> None:
    data = make()
    text = parse_file(data, name).text
    assert text.endswith(end) and len(text) < 3 * len(data)


def test_aliases_of_a_front_matter_do_not_unfold() -> None:
    lists = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 6))
    parsed = parse_file(f"---\ntitle: T\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{lists}---\n\ntext".encode(), "a.md")
    assert parsed.title == "T" and parsed.metadata["a5"] == str(["*a4"] * 10)


def part(name: str, content: bytes, *more: tuple[str, bytes]) -> bytes:
    """A Word document or workbook whose part of that name is this; with more parts."""
    stream = io.BytesIO(word() if name.startswith("word/") else workbook())
    with zipfile.ZipFile(stream) as archive:
        parts = {one: archive.read(one) for one in archive.namelist()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for one, data in (parts | {name: content} | dict(more)).items():
            archive.writestr(one, data)
    return stream.getvalue()


def workbook() -> bytes:
    stream = io.BytesIO()
    openpyxl.Workbook().save(stream)
    return stream.getvalue()


NOISE = random.Random(7).randbytes(2**20).hex().encode()
NAMESPACE = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "word/document.xml",
            b"<w:document %s><w:body>" % NAMESPACE + b"<w:p/>" * 3_100_000,
            "more than 3,000,000 elem",
        ),
        ("word/document.xml", b" \n<a>" + b'<w:p a="" b="" c=""/>' * 1_000_000, "more than 3,000,000 elements"),
        ("word/styles.xml", b"\xff\xfe" + ("<a>" * 3_100_000).encode("utf-16-le"), "more than 3,000,000 elements"),
        ("xl/sharedStrings.xml", b"<sst>" + b"<si/>" * 3_100_000, "more than 3,000,000 elements"),
        ("xl/worksheets/sheet1.xml", b"<row>" + b"<c/>" * 10_100_000, "more than 10,000,000 elements"),
        ("word/document.xml", b" " * 2**20 + b"<a>" + b"<a/>" * 3_100_000, "more than 3,000,000 elements"),
        ("word/document.xml", b"<a>" + NOISE * 34, "a part of 68 MiB, the most is 64"),
        ("word/document.xml", b"<a>" + b" " * 70_000_000, "times its size, the most is 200"),
    ],
)
def test_a_small_office_file_fills_no_memory(name: str, content: bytes, reason: str) -> None:
    data = part(name, content)
    start = time.thread_time()
    with pytest.raises(ParseError, match=reason):
        parse_file(data, "a.docx" if name.startswith("word/") else "a.xlsx")
    assert time.thread_time() - start < 5


def test_many_small_parts_count_together() -> None:
    """Slides are held as trees all at once; each of these alone is within the bounds."""
    small = b"<a>" + b"<b/>" * 400_000 + b"</a>"
    slides = [(f"word/part{number}.xml", small) for number in range(8)]
    with pytest.raises(ParseError, match="elements and attributes"):
        parse_file(part("word/part.xml", small, *slides), "a.docx")


def test_a_long_office_file_is_read() -> None:
    paragraph = b'<w:p w:rsidR="00AA"><w:r><w:t>%s</w:t></w:r></w:p>' % (b"again and again " * 30)
    content = b"<w:document %s><w:body>" % NAMESPACE + paragraph * 9_000 + b"</w:body></w:document>"
    assert len(content) > 4 * 2**20
    assert parse_file(part("word/document.xml", content), "a.docx").text.count("again and again") == 270_000
