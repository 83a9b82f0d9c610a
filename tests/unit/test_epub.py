"""Electronic books of both versions: the spine is read in order, protection and damage are told."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import ParseError
from ingest.parsers import parse_file

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
PACKAGE = """<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Pumps &amp; seals</dc:title>
<dc:title>A manual</dc:title>
<dc:creator>Ann Li</dc:creator><dc:creator>Bo</dc:creator><dc:language>en-US</dc:language></metadata>
<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="two" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="toc" href="toc.html" media-type="application/xhtml+xml"/>
<item id="gone" href="text/gone.xhtml" media-type="application/xhtml+xml"/>
<item id="pic" href="cover.svg" media-type="image/svg+xml"/></manifest>
<spine><itemref idref="pic"/><itemref idref="nav"/><itemref idref="toc"/><itemref idref="one"/><itemref idref="gone"/>
<itemref idref="two" linear="no"/><itemref idref="one"/><itemref idref="nobody"/></spine>
<guide><reference type="toc" href="toc.html#top"/></guide></package>"""
HEAD = '<?xml version="1.0" encoding="%s"?>\n<html xmlns="http://www.w3.org/1999/xhtml"><head>%s</head>'
ONE = HEAD % ("utf-8", '<title/><script src="x.js"/>') + (
    '<body><section><h1><a id="a"/>Care</h1><p>Check&nbsp;monthly.<br/>See <a href="two.xhtml#b">below</a> and '
    '<a href="https://example.com/a">there</a>.</p><div/>'
    "<table><tr><td>a</td><td/><td>b</td></tr></table></section></body></html>"
)
TWO = HEAD % ("gbk", "<title>x</title>") + "<body><h2>零件</h2><ul><li>密封圈</li></ul></body></html>"
PARTS: dict[str, str | bytes] = {
    "META-INF/container.xml": CONTAINER,
    "OEBPS/content.opf": PACKAGE,
    "OEBPS/nav.xhtml": "<html><body><ol><li>Care 1</li></ol></body></html>",
    "OEBPS/toc.html": "<html><body><p>Contents</p></body></html>",
    "OEBPS/cover.svg": "<svg/>",
    "OEBPS/text/one.xhtml": ONE,
    "OEBPS/text/two b.xhtml": TWO.encode("gbk"),
}


def book(changed: Mapping[str, str | bytes] = {}) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for part, content in (PARTS | dict(changed)).items():
            archive.writestr(part, content)
    return stream.getvalue()


def test_a_book_is_its_spine_in_order() -> None:
    parsed = parse_file(book(), "a.epub")
    assert parsed.title == "Pumps & seals"
    assert parsed.metadata == {"author": "Ann Li, Bo", "declared_language": "en-US"}
    assert parsed.text == ("Care\n\nCheck monthly.\nSee below and there.\n\n| a | b |\n\n零件\n\n- 密封圈")
    assert [block.links for block in parsed.outline if block.links] == [("https://example.com/a",)]


def test_a_book_without_a_title_has_its_first_heading() -> None:
    bare = PACKAGE.replace("dc:title", "dc:subject")
    assert parse_file(book({"OEBPS/content.opf": bare}), "a.epub").title == "Care"


def encryption(*methods: str) -> dict[str, str]:
    inner = "".join(
        f'<enc:EncryptedData><enc:EncryptionMethod Algorithm="{method}"/><enc:CipherData>'
        '<enc:CipherReference URI="OEBPS/x"/></enc:CipherData></enc:EncryptedData>'
        for method in methods
    )
    content = f'<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#" xmlns="urn:x">{inner}</encryption>'
    return {"META-INF/encryption.xml": content}


def test_hidden_fonts_are_no_protection_and_anything_else_is() -> None:
    fonts = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
    assert parse_file(book(encryption(*fonts)), "a.epub").title == "Pumps & seals"
    with pytest.raises(ParseError, match=r"a\.epub is protected by DRM"):
        parse_file(book(encryption(*fonts, "http://www.w3.org/2001/04/xmlenc#aes128-cbc")), "a.epub")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"META-INF/container.xml": "<container/>"}, "damaged"),
        ({"META-INF/container.xml": CONTAINER.replace("content", "other")}, "damaged"),
        ({"OEBPS/content.opf": PACKAGE[:500]}, "damaged"),
        ({"OEBPS/content.opf": PACKAGE.replace("itemref", "item")}, "holds no text"),
        ({"OEBPS/text/one.xhtml": "<p>" + "<b/>" * 3_100_000}, "more than 3,000,000 elements"),
    ],
)
def test_a_bad_book_says_why(changed: Mapping[str, str], reason: str) -> None:
    with pytest.raises(ParseError, match=reason) as caught:
        parse_file(book(changed), "a.epub")
    assert caught.value.remedy


def test_a_page_of_one_endless_tag_ends() -> None:
    endless = {"OEBPS/text/one.xhtml": "<p>x</p><" + "a" * 500_000 + " /" * 500_000}
    start = time.thread_time()
    assert parse_file(book(endless), "a.epub").text.startswith("x")
    assert time.thread_time() - start < 5


def test_another_archive_is_no_book() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(ParseError, match=r"without the parts of a \.epub"):
        parse_file(stream.getvalue(), "a.epub")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.binary(max_size=40), st.sampled_from(sorted(PARTS)))
def test_damaged_books_give_a_document_or_a_parse_error(at: int, junk: bytes, part: str) -> None:
    whole, content = book(), PARTS[part]
    raw = content if isinstance(content, bytes) else content.encode()
    spot = at % len(raw)
    at %= len(whole)
    for broken in (whole[:at], whole[:at] + junk + whole[at + len(junk) :], book({part: raw[:spot] + junk})):
        try:
            assert parse_file(broken, "a.epub").text.strip()
        except ParseError as error:
            assert error.remedy
