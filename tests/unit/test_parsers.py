"""Parsers on small files made here: structure survives, and what is broken says why and what to do."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from email.message import EmailMessage

import docx
import openpyxl
import pptx
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.contracts import PARSERS, ParsedDocument
from ingest.errors import ParseError, UnsupportedError
from ingest.parsers import MAX_FILE_BYTES, check_size, parse_file
from ingest.parsers.charset import decode
from retrieval.types import BlockKind


def parts(parsed: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind.value, parsed.text[block.start : block.end]) for block in parsed.outline]


def saved(document: object) -> bytes:
    stream = io.BytesIO()
    document.save(stream)  # type: ignore[attr-defined]
    return stream.getvalue()


def word() -> bytes:
    document = docx.Document()
    document.add_heading("Manual", 0)
    document.add_heading("Care", 1)
    document.add_paragraph("每月检查一次。")
    document.add_paragraph("Filter", style="List Bullet")
    document.add_paragraph("Seal", style="List Bullet")
    table = document.add_table(rows=3, cols=2)
    for row, cells in enumerate((("Code", "Part"), ("AX-1", "Ring"), ("", "Cap"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    return saved(document)


def slides() -> bytes:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "Goals"
    slide.placeholders[1].text = "First\nSecond"
    slide.notes_slide.notes_text_frame.text = "Say it slowly"
    return saved(presentation)


def sheets() -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Parts"
    for row in (["Code", "Price"], ["AX-1", 12.0], [None, None], ["Note", "x"], ["y", "z"]):
        sheet.append(row)
    workbook.create_sheet("Hidden").sheet_state = "hidden"
    return saved(workbook)


MARKDOWN = """---
title: Guide
tags: [a]
---
# Care

Check **monthly**, see [page](http://x/y).

- one
  - two
1. three

| Code | Part |
|---|---|
| AX-1 | `Ring` |

```python
if a:
    b()
```
"""
HTML = (
    """<html lang="en"><head><title>T &amp; U</title><script>var x</script></head><body><nav>Menu</nav>
<main><h1>Care</h1><p>Check<br>monthly &lt;now&gt;.</p><ul><li>one<ul><li>two</li></ul></li></ul>
<table><tr><th>Code</th><th>Part</th></tr><tr><td rowspan=2>AX-1</td><td>Ring</td></tr><tr><td>Cap</td></tr></table>
<pre>if a:
    b()</pre><p hidden>secret</p><style>p {}</style>"""
    + "<p>Filler text for a main part of some length.</p>" * 5
)


def test_markdown_keeps_headings_lists_tables_and_code() -> None:
    parsed = parse_file(MARKDOWN.encode(), "guide.md")
    assert parsed.title == "Guide"
    assert parsed.metadata["tags"] == "['a']"
    assert parts(parsed) == [
        ("heading", "Care"),
        ("paragraph", "Check monthly, see page."),
        ("list", "- one\n  - two"),
        ("list", "1. three"),
        ("table", "| Code | Part |\n| AX-1 | Ring |"),
        ("code", "if a:\n    b()"),
    ]


def test_html_keeps_content_and_drops_furniture() -> None:
    parsed = parse_file(HTML.encode(), "page.html")
    assert parsed.title == "T & U"
    assert parts(parsed)[:5] == [
        ("heading", "Care"),
        ("paragraph", "Check\nmonthly <now>."),
        ("list", "- one\n  - two"),
        ("table", "| Code | Part |\n| AX-1 | Ring |\n| AX-1 | Cap |"),
        ("code", "if a:\n    b()"),
    ]
    for word_ in ("Menu", "secret", "var x", "p {}"):
        assert word_ not in parsed.text


def test_word_keeps_title_headings_lists_and_merged_cells() -> None:
    parsed = parse_file(word(), "manual.docx")
    assert parsed.title == "Manual"
    assert parts(parsed) == [
        ("heading", "Manual"),
        ("heading", "Care"),
        ("paragraph", "每月检查一次。"),
        ("list", "- Filter\n- Seal"),
        ("table", "| Code | Part |\n| AX-1 | Ring |\n| AX-1 | Cap |"),
    ]


def test_slides_are_pages_with_notes() -> None:
    parsed = parse_file(slides(), "goals.pptx")
    assert parts(parsed) == [("heading", "Goals"), ("list", "- First\n- Second"), ("paragraph", "Say it slowly")]
    assert {block.page for block in parsed.outline} == {1}


def test_sheets_are_tables_parted_by_empty_rows() -> None:
    parsed = parse_file(sheets(), "parts.xlsx")
    assert parsed.title == "parts"
    assert parts(parsed) == [
        ("heading", "Parts"),
        ("table", "| Code | Price |\n| AX-1 | 12 |"),
        ("table", "| Note | x |\n| y | z |"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_csv_in_any_delimiter_and_charset(delimiter: str, charset: str) -> None:
    rows = [["编号", "名称", "说明"], *([f"AX-{n}", f"密封圈{n}", "每六个月更换一次，注意安全"] for n in range(20))]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    parsed = parse_file(text.encode(charset), "parts.csv")
    assert parsed.text.split("\n")[0] == "| 编号 | 名称 | 说明 |"
    assert len(parsed.text.split("\n")) == 21


def test_json_names_its_values() -> None:
    parsed = parse_file(b'{"title": "Plan", "steps": [{"do": "x"}, {"do": "y"}], "tags": ["a", 1, true]}', "p.json")
    assert parsed.title == "Plan"
    assert parsed.text == "title: Plan\nsteps 1:\n  do: x\nsteps 2:\n  do: y\ntags: a, 1, true"
    table = parse_file(b'[{"a": 1, "b": "x"}, {"a": 2, "c": null}]', "t.json")
    assert table.text == "| a | b | c |\n| 1 | x |  |\n| 2 |  |  |"


def test_tables_inside_a_json_object_stand_under_their_names() -> None:
    servers = [{"name": "a-1", "ram": 8}, {"name": "b-2", "ram": 16, "os": "Debian"}]
    content = {"title": "Plan", "servers": servers, "owner": "Li", "notes": [{"note": "x"}, {"note": "y"}], "one": [{}]}
    parsed = parse_file(json.dumps(content).encode(), "p.json")
    assert parsed.text == (
        "title: Plan\nowner: Li\nnotes 1:\n  note: x\nnotes 2:\n  note: y\none 1:\n\n"
        "servers\n\n| name | ram | os |\n| a-1 | 8 |  |\n| b-2 | 16 | Debian |"
    )
    assert [block.kind for block in parsed.outline] == [BlockKind.LIST, BlockKind.HEADING, BlockKind.TABLE]


def test_json_lines_among_files_are_read_as_one_list() -> None:
    lines = b'{"ticket": 7, "state": "open"}\n\n{"ticket": 8, "state": "closed"}\r\n'
    parsed = parse_file(lines, "tickets.jsonl")
    assert parsed.title == "tickets"
    assert parsed.text == "| ticket | state |\n| 7 | open |\n| 8 | closed |"
    assert parse_file(lines, "tickets.NDJSON").text == parsed.text
    with pytest.raises(ParseError, match=r"line 3 of tickets\.jsonl is not JSON"):
        parse_file(lines.replace(b"}\r", b"\r"), "tickets.jsonl")


def test_dates_of_workbooks_have_no_midnight() -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["due", "at"])
    workbook.active.append([date(2026, 9, 30), datetime(2026, 9, 30, 8, 15)])
    assert "| 2026-09-30 | 2026-09-30 08:15:00 |" in parse_file(saved(workbook), "a.xlsx").text


def test_mail_has_headers_body_and_a_list_of_attachments() -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "泵的问题", "Ann <a@x.example>", "b@x.example"
    message["Date"] = "Fri, 02 Jan 2026 03:04:05 +0000"
    message.set_content("Dear all,\n\nthe pump leaks.")
    message.add_alternative("<p>html</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="leak.pdf")
    parsed = parse_file(message.as_bytes(), "m.eml")
    assert parsed.title == "泵的问题"
    assert "From: Ann <a@x.example>" in parsed.text
    assert "the pump leaks." in parsed.text
    assert parsed.metadata["attachments"] == ["leak.pdf"]
    assert parsed.metadata["date"] == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize("charset", ["utf-8", "gb18030", "big5", "shift_jis", "utf-16-le", "utf-16", "utf-32"])
def test_charsets_are_found(charset: str) -> None:
    text = {
        "shift_jis": "日本語の文章です。ひらがなとカタカナが混ざっています。設備の点検を毎月行ってください。\n",
        "big5": "設備過熱時請先檢查散熱風扇，更換濾芯之後再重新啟動設備，注意安全。\n",
    }.get(charset, "电机过热时请先检查散热风扇，更换滤芯后再启动设备。Code AX-1200, see manual.\n")
    assert decode((text * 8).encode(charset), "x.txt") == text * 8


def encrypted_pdf() -> bytes:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="AES-256")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def bomb(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(name, "w", force_zip64=True) as member:
            for _ in range(520):
                member.write(bytes(2**20))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("a.pdf", lambda: b"", "is empty"),
        ("a.pdf", lambda: b"%PDF-1.7 nothing", "damaged"),
        ("a.pdf", word, "ZIP archive or Office file, not a PDF"),
        ("a.pdf", encrypted_pdf, "is encrypted"),
        ("a.docx", lambda: b"%PDF-1.7", "is a PDF"),
        ("a.docx", sheets, "without the parts of a .docx"),
        ("a.docx", lambda: word()[:500], "damaged"),
        ("a.xlsx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "encrypted or in the old"),
        ("a.docx", lambda: bomb("word/document.xml"), "unpacks to 520 MiB"),
        ("a.txt", lambda: b"\x89PNG\r\n\x1a\n", "a PNG image, not txt"),
        ("a.txt", lambda: bytes(range(1, 256)) + bytes(2), "binary data"),
        ("a.txt", lambda: b" \n\t", "holds no text"),
        ("a.md", lambda: b"", "is empty"),
        ("a.html", lambda: b"<script>x</script>", "holds no text"),
        ("a.json", lambda: b"{", "not JSON"),
        ("a.eml", lambda: b"just words", "no mail headers"),
        ("a.csv", lambda: b",,,\n,,", "holds no text"),
    ],
)
def test_a_bad_file_says_why_and_what_to_do(name: str, make: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(ParseError, match=reason) as caught:
        parse_file(make(), name)
    assert caught.value.remedy
    assert name in caught.value.reason


@pytest.mark.parametrize("name", ["a.doc", "a.gif", "a.xyz", "README"])
def test_an_unsupported_type_lists_the_supported_ones(name: str) -> None:
    with pytest.raises(UnsupportedError, match="supported are .*csv.*docx.*pdf.*xlsx"):
        parse_file(b"x", name)


def test_a_file_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(ParseError, match="the most is 100 MiB"):
        check_size(MAX_FILE_BYTES + 1, "a.txt")


@settings(max_examples=150)
@given(
    st.sampled_from(["a.txt", "a.md", "a.html", "a.csv", "a.json", "a.eml", "a.pdf", "a.docx", "a.xlsx", "a.pptx"]),
    st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "ignore"))),
)
def test_any_bytes_give_a_document_or_a_parse_error(name: str, data: bytes) -> None:
    try:
        parsed = parse_file(data, name)
    except ParseError:
        return
    assert parsed.title and parsed.text.strip()
    check_outline(parsed)


OFFICE: list[tuple[str, Callable[[], bytes]]] = [("m.docx", word), ("g.pptx", slides), ("p.xlsx", sheets)]


@settings(max_examples=30)
@given(st.sampled_from(OFFICE), st.integers(0, 2**16), st.binary(max_size=40))
def test_damaged_office_files_give_a_document_or_a_parse_error(
    file: tuple[str, Callable[[], bytes]], at: int, junk: bytes
) -> None:
    data = file[1]()
    at %= len(data)
    try:
        check_outline(parse_file(data[:at] + junk + data[at + len(junk) :], file[0]))
    except ParseError:
        pass


@pytest.mark.parametrize(("name", "made"), OFFICE)
def test_an_archive_of_a_version_that_nobody_knows_is_damaged(name: str, made: Callable[[], bytes]) -> None:
    data = bytearray(made())
    entry = data.index(b"PK\x01\x02")  # the first of the central directory; the version needed stands 6 bytes behind
    data[entry + 6] = 64
    with pytest.raises(ParseError, match=r"is damaged, not a readable .*zip file version 6\.4"):
        parse_file(bytes(data), name)


def check_outline(parsed: ParsedDocument) -> None:
    end = 0
    for block in parsed.outline:
        assert end <= block.start < block.end <= len(parsed.text)
        assert parsed.text[block.start : block.end].strip()
        assert (block.level > 0) == (block.kind is BlockKind.HEADING)
        end = block.end


def test_every_registered_parser_can_be_built() -> None:
    for entry in PARSERS:
        assert hasattr(PARSERS.create(entry.name), "parse")


def links(parsed: ParsedDocument) -> list[tuple[str, tuple[str, ...]]]:
    """The blocks that link somewhere."""
    return [(parsed.text[block.start : block.end], block.links) for block in parsed.outline if block.links]


def test_links_of_pages_stay_with_their_blocks() -> None:
    page = b"""<html><head><title>T</title></head><body><nav><a href="home.html">Home</a></nav>
    <h1>Pump <a href="#top">up</a></h1>
    <p>See <a href="fit.html#step">fitting</a>, <a href=" ../parts.html ">parts</a> and
    <a href="fit.html#step">more</a>.</p>
    <p>Write <a href="mailto:a@example.com">us</a> or <a href="javascript:void(0)">click</a>.</p>
    <ul><li><a href="https://example.com/a">A</a><ul><li><a href="b c.html">B</a></li></ul></li></ul>
    <table><tr><td>1</td><td><a href="one.html">One</a></td></tr><tr><td>2</td><td>Two</td></tr></table>
    <p>Plain.</p><div hidden><a href="secret.html">x</a></div></body></html>"""
    assert links(parse_file(page, "a.html")) == [
        ("See fitting, parts and more.", ("fit.html#step", "../parts.html")),
        ("- A\n  - B", ("https://example.com/a", "b c.html")),
        ("| 1 | One |\n| 2 | Two |", ("one.html",)),
    ]
    based = b'<html><head><base href="https://example.com/docs/"></head><body><p><a href="x">X</a></p></body></html>'
    assert links(parse_file(based, "a.html")) == [("X", ("https://example.com/docs/x",))]
    many = "".join(f'<a href="{n}.html">{n}</a> ' for n in range(100))
    ((_, kept),) = links(parse_file(f"<body><p>{many}</p></body>".encode(), "a.html"))
    assert kept == tuple(f"{n}.html" for n in range(64))


def test_links_of_markdown_stay_with_their_blocks() -> None:
    text = """# Head [up](top.md)

See [fitting](<my fit.md> "how"), <https://example.com/a> and [ref].

- item [one](1.md)

| a | b |
|---|---|
| [cell](2.md) | <a href="3.html">three</a> |

`[code](no.md)`

[ref]: ../ref.md
"""
    assert links(parse_file(text.encode(), "a.md")) == [
        ("Head up", ("top.md",)),
        ("See fitting, https://example.com/a and ref.", ("my%20fit.md", "https://example.com/a", "../ref.md")),
        ("- item one", ("1.md",)),
        ("| a | b |\n| cell | three |", ("2.md", "3.html")),
    ]
