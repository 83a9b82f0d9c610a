"""Rich text, written here word by word: all that it says is found, and nothing of how it is shown."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers import parse_file
from ingest.parsers.limits import Deadline
from retrieval.types import BlockKind

FONTS = (
    rb"{\fonttbl{\f0\fnil\fcharset134{\*\panose 02}SimSun{\*\falt Song};}{\f1\fswiss\fcharset0 Arial;}"
    rb"{\f2\fcharset2 Symbol;}{\f3\fcharset128 MS Mincho;}{\f4\fcharset204 Times;}{\f5\cpg950 Ming;}}"
)
STYLES = (
    rb"{\stylesheet{\ql\f0 Normal;}{\s1\outlinelevel0\b heading 1;}{\s2\uc1 \u26631 ?\u39064 ? 2;}{\s3 Title;}"
    rb"{\s4\outlinelevel1 Own;}{\*\cs10 heading 7;}}"
)


def rtf(body: bytes, head: bytes = rb"\ansicpg936\deff0", info: bytes = b"") -> bytes:
    return b"{\\rtf1\\ansi" + head + FONTS + b"{\\colortbl;\\red0\\green0\\blue0;}" + STYLES + info + body + b"}"


def read(body: bytes, **more: bytes) -> ParsedDocument:
    return parse_file(rtf(body, **more), "a.rtf")


def text(body: bytes, **more: bytes) -> str:
    return read(body, **more).text


def blocks(body: bytes) -> list[tuple[BlockKind, int, str]]:
    parsed = read(body)
    return [(block.kind, block.level, parsed.text[block.start : block.end]) for block in parsed.outline]


def test_title_and_author_are_those_of_the_file() -> None:
    both = rb"{\upr{\title ??}{\*\ud{\title \u27833 ?}}}"
    parsed = read(b"text", info=rb"{\info" + both + rb"{\author \'d6\'d0\'00}{\operator nobody}{\creatim\yr2026}}")
    assert (parsed.title, parsed.metadata, parsed.text) == ("油", {"author": "中"}, "text")
    japanese = read(rb"\f0 text", head=rb"\ansicpg932\deff1", info=rb"{\info{\title \'83^\'83C}}")
    assert japanese.title == "タイ"
    assert read(rb"{\info{\title Property}}\pard\s3 Shown\par text").title == "Shown"
    assert read(rb"\pard\s1 First\par text").title == "First"
    assert read(rb"{\*\userprops{\title Not this}}text").title == "a"


def test_headings_are_told_by_outline_and_by_style() -> None:
    heading, paragraph = BlockKind.HEADING, BlockKind.PARAGRAPH
    assert blocks(
        rb"\pard\s1 One\par\pard\s2 Two\par\pard\s3 Title\par\pard\outlinelevel2 Three\par\pard\outlinelevel9 Text\par"
        rb"\pard\s9 Unknown\par\pard\s1\outlinelevel9 Named\par{\pard\s2 Inside\par}After\par"
    ) == [
        (heading, 1, "One"),
        (heading, 2, "Two"),
        (heading, 1, "Title"),
        (heading, 3, "Three"),
        (paragraph, 0, "Text"),
        (paragraph, 0, "Unknown"),
        (heading, 1, "Named"),
        (heading, 2, "Inside"),
        (heading, 1, "After"),
    ]


def test_lists_keep_their_numbers_and_depth() -> None:
    body = (
        rb"{\listtext\pard\plain\f2 \'b7\tab}\pard\ls1 bullet\par{\listtext\f2 q\tab}box\line of two\par"
        rb"{\listtext 2.1\tab}\pard\ilvl1 sub\par{\pntext\pard 3\tab}{\*\pn\pnlvlbody{\pntxta .}}old\par"
        rb"{\listtext\u-3913 ?\tab}\par \pard plain\par{\listtext 1.2\tab}\pard\s1 Head\par"
    )
    assert blocks(body) == [
        (BlockKind.LIST, 0, "- bullet\n- box of two\n  2.1 sub\n  3 old"),
        (BlockKind.PARAGRAPH, 0, "plain"),
        (BlockKind.HEADING, 1, "1.2 Head"),
    ]


def test_tables_repeat_what_is_merged_downwards() -> None:
    row = rb"\trowd\clvmgf\cellx1\cellx2\pard\intbl A\par B\cell C\cell\row"
    below = rb"\trowd\clvmrg\cellx1\cellx2\pard\intbl\cell D\cell\row\pard"
    assert text(row + below + rb" after\par") == "| A B | C |\n| A B | D |\n\nafter"
    assert text(row + rb"\pard\par" + below) == "| A B | C |\n\n| D |"
    nested = (
        rb"\trowd\cellx1\cellx2\pard\intbl in\par\itap2 n1\nestcell{\nonesttables\par}n2\nestcell"
        rb"{\*\nesttableprops\trowd\clvmrg\cellx7\nestrow}{\nonesttables\par}\pard\intbl out\cell x\cell\row"
    )
    assert text(nested) == "| in n1; n2; out | x |"
    assert text(rb"\trowd\cellx1\pard\intbl never ended\par\pard before\par\trowd\cellx1\intbl x\cell y") == (
        "| never ended |\n\nbefore\n\n| x | y |"
    )
    wide = text(rb"\pard\intbl" + b"".join(rb"%d\cell " % number for number in range(2_000)) + rb"\row")
    assert wide.endswith("| 1999 |")
    assert text(rb"\pard\intbl{\listtext 1.\tab}item\par{\listtext 2.\tab}more\cell x\cell\row") == (
        "| 1. item 2. more | x |"
    )


def test_notes_and_text_boxes_follow_their_paragraph() -> None:
    assert text(rb"a{\footnote{\super\chftn} one\cell two\par}b\par{\*\footnote last}c\par") == (
        "ab\n\none\ntwo\n\nc\n\nlast"
    )
    assert text(rb"\trowd\cellx1\pard\intbl x{\footnote n}\cell\row\pard after\par") == "| x |\n\nafter\n\nn"
    box = rb"{\shp{\*\shpinst{\sp{\sn name}{\sv value}}{\shptxt box\par two}}{\shprslt{\*\do{\dptxbxtext box}}}}"
    assert text(b"a" + box + rb"b\par c") == "ab\n\nbox\ntwo\n\nc"
    assert text(rb"a{\*\do\dobxpage{\dptxbxtext old box\par}}b") == "ab\n\nold box"
    assert text(rb"{\header" + box + rb"{\footnote n}}a") == "a"


@pytest.mark.parametrize(
    "unread",
    [
        rb"{\header H}{\footerr F}{\*\annotation C}{\*\generator G;}{\*\unknown{\pard U\par}}{\xe X}{\v hidden\v0}",
        rb"{\v hidden{\b too}}{\deleted gone}{\*\bkmkstart b}{\upr{\*\bkmkstart c}{\*\ud{\*\bkmkstart \u27833 ?}}}",
        rb"{\pict{\*\picprop{\sp{\sn s}{\sv v}}}\pngblip 8950}{\*\shppict{\pict\bin6 }}{{}\}}{\nonshppict{\pict f}}",
        rb"{\object\objemb{\*\objclass Excel}{\*\objdata 0105}{\result{\pict ff}}}{\*\htmltag64 <p>}{\mmathPict x}",
        rb"{\list{\listlevel{\leveltext \'02\'00.}{\levelnumbers \'01}}{\listname L;}}{\listoverride\ls1 x}",
        rb"{\field{\*\fldinst{ TOC \\o }{}}{\fldrslt{\field{\*\fldinst PAGEREF x}{\fldrslt 7}} entry\par}}",
    ],
)
def test_what_is_no_text_of_the_document_is_left_out(unread: bytes) -> None:
    assert text(b"a" + unread + rb"b\par") == "ab"
    assert text(rb"\trowd\cellx1\pard\intbl a" + unread + rb"b\cell\row") == "| ab |"


def test_a_mark_inside_a_group_leaves_its_text() -> None:
    assert text(rb"{\loch\f1 a \*\cs7\cf0 b}{" + b"\n" + rb"\*\cs7 c}") == "a b"


def test_results_of_fields_objects_and_formulas_are_read_and_links_kept() -> None:
    link = rb'{\field{\*\fldinst{ HYPERLINK "https://x.example/a"}}{\fldrslt{\ul here}}}'
    parsed = read(
        b"See " + link + rb".\par{\object{\*\objdata 01}{\result 7 bar}}{\field{\*\fldinst DATE}{\fldrslt May}}"
    )
    assert parsed.text == "See here.\n\n7 barMay"
    assert [block.links for block in parsed.outline] == [("https://x.example/a",), ()]
    bare = read(rb"{\field{\*\fldinst HYPERLINK https://x.example/b \\o tip}{\fldrslt there}}")
    assert bare.outline[0].links == ("https://x.example/b",)
    assert text(rb"{\mmath{\*\moMath{\mr\mscr0{x=1}}}{\mmathPict{\pict ff}}}") == "x=1"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb"\'d6\'d0\'ce\'c4", "中文"),
        (b"\\'d6\r\n\\'d0 " + "文".encode("gb18030"), "中 文"),
        (rb"\'81A\'84\\\'81\{\'81\'5c", "丄刓亄乗"),
        (rb"{\f3 \'83\'5c\'83\\}{\f4 \'c6}{\f5 \'a4\'a4}{\f1 caf\'e9}", "ソソЖ中café"),
        (rb"{\f1 \'d6\'d0\'ce\'c4 in a font without it}", "中文 in a font without it"),
        (b"\\'d6\\'d0\\'ce\\'c4" * 3 + b"\\'ff" + b"\\'d6\\'d0" * 3, "中文" * 3 + "\ufffd" + "中" * 3),
        (rb"{caf\'e9}", "café"),
        (rb"{\uc2 \u20013\'d6\'d0}{\uc0 \u25991 x}\u8364?\par ", "中文x€"),
        (rb"\u-10179?\u-8704?{\uc2\u-8704 ??y}", "😀\ufffdy"),
        (rb"\u55357?\u56832?\u128512?\u99999999?\u-99999?", "😀😀\ufffd\ufffd"),
        (rb"\uc1\u20013\tab x{\uc3\u20013 a}b\u20013", "中\tx中b中"),
        (rb"\lquote a\rquote\~b\_c\-d\|\emdash{}\bullet \{\}\\", "‘a’ b-cd—•{}\\"),
        ("raw 中文".encode(), "raw 中文"),
    ],
)
def test_characters_are_read_in_the_code_page_of_their_font(body: bytes, expected: str) -> None:
    found = text(body) if not body.startswith(b"raw") else text(body, head=rb"\ansicpg1252")
    assert found.replace(" ", "") == expected.replace("\t", " ").replace(" ", "")


@pytest.mark.parametrize(
    ("head", "byte", "expected"),
    [(rb"\ansicpg1251", b"c6", "Ж"), (rb"\mac", b"8e", "é"), (rb"\pc", b"82", "é"), (rb"\ansicpg99999", b"e9", "é")],
)
def test_the_document_names_a_code_page(head: bytes, byte: bytes, expected: str) -> None:
    assert parse_file(b"{\\rtf1\\ansi" + head + b"\\'" + byte + b"}", "a.rtf").text == expected


def test_a_truncated_file_gives_what_is_there() -> None:
    assert parse_file(rtf(rb"before\par{\pict 0102")[:-1], "a.rtf").text == "before"
    assert parse_file(rtf(rb"before\par{\b after\'d")[:-1], "a.rtf").text == "before\n\nafterd"
    assert parse_file(rtf(rb"before\bin99 after"), "a.rtf").text == "before"
    assert parse_file(b"\xef\xbb\xbf\n" + rtf(b"one") + b"two\0{\\rtf three}", "a.rtf").text == "one"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"just words", "is of an unknown type, not RTF"),
        (b"PK\x03\x04", "is a ZIP archive or Office file, not RTF"),
        (rtf(rb"{\pict 0102}"), "holds no text"),
        (b"{\\rtf1" + b"{" * 20_000 + b"text", "nest deeper than 10,000"),
    ],
)
def test_what_is_no_rich_text_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse_file(data, "a.rtf")
    with pytest.raises(ParseError, match=r"a\.txt is an RTF file, not txt"):
        parse_file(rtf(b"x"), "a.txt")


HOSTILE = [
    rb"\par ",
    rb"\cell ",
    rb"\row ",
    rb"\trowd\clvmrg\cellx1 \cell\row",
    rb"\'d6",
    rb"\'ff",
    b"\xd6",
    b"\\",
    rb"\*",
    b"{}",
    rb"{\footnote a}",
    rb"{\listtext 1.}",
    rb"{\upr{a}{\*\ud b}}",
    rb"\u1?",
    rb"{\fonttbl\f1",
    rb"{\stylesheet{\s1 a",
    rb"{\field{\*\fldinst{",
    b'HYPERLINK "',
]


@pytest.mark.parametrize(
    ("before", "piece"),
    [*((b"", piece) for piece in HOSTILE), (rb"{\stylesheet{\s1 ", b"a{}"), (rb"{\field{\*\fldinst ", b"a{}")],
)
def test_no_file_takes_more_time_for_each_byte_the_longer_it_is(before: bytes, piece: bytes) -> None:
    def seconds(size: int) -> float:
        start = time.thread_time()
        read_or_refused(rtf(before + piece * (size // len(piece))))
        return time.thread_time() - start

    seconds(1_000)
    longer = min(seconds(60_000) for _ in range(3))  # a collection of all garbage falls into one of them at most
    assert longer < 20 * seconds(6_000) + 0.1  # ten times the bytes; a hundred times the time if quadratic


@pytest.mark.parametrize("piece", [b"{}", b"\r\n{", rb"\b"])
def test_a_file_has_a_deadline_even_without_text(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsers.rtf.Deadline", lambda name: Deadline(name, 0))
    with pytest.raises(ParseError, match=r"a\.rtf takes more than 0 s of processor time"):
        parse_file(rtf(piece), "a.rtf")


SAMPLE = rtf(
    rb"\pard\s1 \'b1\'ea\'cc\'e2\par{\listtext 1.\tab}\pard\ls1 a\par"
    rb"\trowd\clvmgf\cellx1\pard\intbl b{\footnote c}\cell\row"
    rb"\pard{\field{\*\fldinst HYPERLINK "
    rb'"x"}{\fldrslt d}}{\pict\bin3 }}}}\u20013?{\v e}\par',
    info=rb"{\info{\title T}}",
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SAMPLE)), st.binary(max_size=6) | st.sampled_from(HOSTILE), st.booleans())
def test_damaged_rich_text_gives_a_document_or_a_parse_error(at: int, junk: bytes, cut: bool) -> None:
    read_or_refused(SAMPLE[:at] + junk + (b"" if cut else SAMPLE[at + len(junk) :]))


def read_or_refused(data: bytes) -> None:
    try:
        assert parse_file(data, "a.rtf").text.strip()
    except ParseError as error:
        assert error.remedy
