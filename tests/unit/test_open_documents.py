"""OpenDocument texts, sheets and slides, written as LibreOffice writes them."""

from __future__ import annotations

import io
import random
import re
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers import parse_file
from ingest.parsers.odf import NAMESPACES

PREFIXES = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
PREFIXES += ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
KINDS = {"odt": "text", "ods": "spreadsheet", "odp": "presentation"}
META = (
    "<office:meta><meta:generator>LibreOffice/24.8</meta:generator><meta:initial-creator>Ann Li</meta:initial-creator>"
    "<dc:creator>Bo</dc:creator><dc:title>Pump manual</dc:title></office:meta>"
)
STYLES = (
    '<style:style style:name="Title" style:family="paragraph" style:parent-style-name="Heading"/>'
    '<style:style style:name="Heading_20_1" style:display-name="Heading 1" style:family="paragraph"/>'
)
AUTOMATIC = (
    '<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>'
    '<style:style style:name="T1" style:family="text"><style:text-properties text:display="none"/></style:style>'
    '<style:style style:name="P2" style:family="paragraph"><style:text-properties text:display="none"/></style:style>'
    '<style:style style:name="ta1" style:family="table"><style:table-properties table:display="true"/></style:style>'
    '<style:style style:name="ta2" style:family="table"><style:table-properties table:display="false"/></style:style>'
)


def root(tag: str, inner: str) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<office:{tag} {PREFIXES} office:version="1.3">{inner}</office:{tag}>'
    )


def manifest(entries: str = "") -> str:
    namespace = NAMESPACES["manifest"]
    return f'<manifest:manifest xmlns:manifest="{namespace}" manifest:version="1.3">{entries}</manifest:manifest>'


def packed(kind: str, body: str, meta: str = META, **parts: str) -> bytes:
    """A file of that kind with this in its body."""
    inner = f"<office:body><office:{KINDS[kind]}>{body}</office:{KINDS[kind]}></office:body>"
    content = f"<office:automatic-styles>{AUTOMATIC}</office:automatic-styles>{inner}"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{KINDS[kind]}", zipfile.ZIP_STORED)
        archive.writestr("content.xml", root("document-content", content))
        archive.writestr("styles.xml", root("document-styles", f"<office:styles>{STYLES}</office:styles>"))
        archive.writestr("meta.xml", root("document-meta", meta))
        archive.writestr("META-INF/manifest.xml", parts.get("manifest", manifest()))
    return stream.getvalue()


def blocks(parsed: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind.value, parsed.text[block.start : block.end]) for block in parsed.outline]


def cell(words: str, attributes: str = "") -> str:
    return f'<table:table-cell office:value-type="string" {attributes}><text:p>{words}</text:p></table:table-cell>'


TEXT = f"""<office:forms form:automatic-focus="false" xmlns:form="urn:f"/>
<text:tracked-changes><text:changed-region text:id="ct1"><text:deletion><office:change-info><dc:creator>Bo</dc:creator>
</office:change-info><text:p>deleted words</text:p></text:deletion></text:changed-region></text:tracked-changes>
<text:sequence-decls><text:sequence-decl text:name="Illustration"/></text:sequence-decls>
<text:p text:style-name="P1">泵 Manual</text:p>
<text:table-of-content text:name="Table of Contents1"><text:index-body><text:p>Care 1</text:p></text:index-body>
</text:table-of-content>
<text:h text:style-name="Heading_20_1" text:outline-level="1"><text:bookmark-start text:name="a"/>Care
  every<text:s/>month<text:bookmark-end text:name="a"/></text:h>
<text:p text:style-name="P2">all hidden</text:p>
<text:p text:style-name="Text_20_body">Check<text:s text:c="3"/>the <text:span text:style-name="T2">seal</text:span>
<text:tab/>now,<text:change text:change-id="ct1"/><text:line-break/>then<text:span
 text:style-name="T1"> hidden</text:span>
 rest<office:annotation><dc:creator>Bo</dc:creator><text:p>a remark</text:p></office:annotation>.<text:note
 text:id="ftn1"
 text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body><text:p>Not on Sundays.</text:p>
</text:note-body></text:note> See <text:a xlink:href="https://example.com/a">there</text:a>.</text:p>
<text:p><draw:frame
 draw:name="Frame1"><draw:text-box><text:p>In a box</text:p></draw:text-box><svg:title>alt</svg:title>
</draw:frame><text:ruby><text:ruby-base>漢字</text:ruby-base><text:ruby-text>かんじ</text:ruby-text></text:ruby></text:p>
<text:list text:style-name="L1"><text:list-item><text:p>Filter</text:p><text:list><text:list-item><text:p>fine</text:p>
</text:list-item></text:list></text:list-item></text:list>
<text:list
 text:continue-numbering="true"><text:list-item><text:p>Seal</text:p><text:p>of rubber</text:p></text:list-item>
</text:list>
<text:list><text:list-item><text:h text:outline-level="2">Parts</text:h></text:list-item></text:list>
<text:section text:name="S"><table:table table:name="Table1"><table:table-column table:number-columns-repeated="3"/>
<table:table-header-rows><table:table-row>{cell("Code", 'table:number-columns-spanned="2"')}<table:covered-table-cell/>
{cell("Part")}</table:table-row></table:table-header-rows>
<table:table-row>{cell("AX-1", 'table:number-rows-spanned="3"')}{cell("a")}{cell("Ring")}</table:table-row>
<table:table-row><table:covered-table-cell/>{cell("b")}{cell("Cap")}</table:table-row>
<table:table-row><table:covered-table-cell/>{cell("c")}{cell("Nut")}</table:table-row>
<table:table-row>{cell("AX-2")}<table:table-cell><text:list><text:list-item><text:p>d</text:p></text:list-item><text:list-item>
<text:p>e</text:p></text:list-item></text:list></table:table-cell><table:table-cell><table:table
 table:is-sub-table="true">
<table:table-row>{cell("x")}{cell("y")}</table:table-row></table:table></table:table-cell></table:table-row>
</table:table></text:section>
<text:section text:name="H" text:display="none"><text:p>in a hidden section</text:p></text:section>
<text:p/>"""


def test_a_text_keeps_headings_lists_tables_and_notes() -> None:
    parsed = parse_file(packed("odt", TEXT), "a.odt")
    assert parsed.title == "泵 Manual" and parsed.metadata == {"author": "Ann Li"}
    assert blocks(parsed) == [
        ("heading", "泵 Manual"),
        ("heading", "Care every month"),
        ("paragraph", "Check the seal now,\nthen rest. See there."),
        ("paragraph", "Not on Sundays."),
        ("paragraph", "漢字"),
        ("paragraph", "In a box"),
        ("list", "- Filter\n  - fine\n- Seal\n  of rubber"),
        ("heading", "Parts"),
        (
            "table",
            "| Code |  | Part |\n| AX-1 | a | Ring |\n| AX-1 | b | Cap |\n| AX-1 | c | Nut |\n| AX-2 | d e | x; y |",
        ),
    ]
    assert [block.level for block in parsed.outline if block.level] == [1, 1, 2]
    assert [block.links for block in parsed.outline if block.links] == [("https://example.com/a",)]


def test_a_text_without_a_title_paragraph_has_its_property_or_first_heading() -> None:
    body = '<text:h text:outline-level="3">First</text:h>'
    assert parse_file(packed("odt", body), "a.odt").title == "Pump manual"
    assert parse_file(packed("odt", body, "<office:meta/>"), "a.odt").title == "First"
    assert parse_file(packed("odt", body), "a.ott").text == "First"


def value(kind: str, words: str, attribute: str = "") -> str:
    return f'<table:table-cell office:value-type="{kind}" {attribute}><text:p>{words}</text:p></table:table-cell>'


SHEETS = f"""<table:tracked-changes><table:cell-content-change><table:previous><table:change-track-table-cell>
<text:p>old</text:p></table:change-track-table-cell></table:previous></table:cell-content-change></table:tracked-changes>
<table:table table:name="Parts"
 table:style-name="ta1"><office:forms/><table:shapes><draw:frame><draw:object/></draw:frame>
</table:shapes><table:table-column table:number-columns-repeated="16384"/>
<table:table-header-rows><table:table-row>{value("string", "Code")}{value("string", "Price")}{value("string", "Due")}
<table:table-cell table:number-columns-repeated="16381"/></table:table-row></table:table-header-rows>
<table:table-row>{value("string", "AX-1")}{value("currency", "€ 12.00", 'office:value="12"')}
{value("date", "30.09.26", 'office:date-value="2026-09-30"')}</table:table-row>
<table:table-row-group><table:table-row>{value("percentage", "7 %", 'office:value="0.07"')}
{value("boolean", "WAHR", 'office:boolean-value="true"')}
{value("date", "30.09.26 08:15", 'office:date-value="2026-09-30T08:15:00"')}</table:table-row></table:table-row-group>
<table:table-row>{value("time", "08:15", 'office:time-value="PT08H15M00S"')}
{value("time", "26:00", 'office:time-value="PT26H00M00S"')}
{value("string", "#DIV/0!", 'table:formula="of:=1/0" office:string-value="" calcext:value-type="error"')}
</table:table-row>
<table:table-row table:number-rows-repeated="3"><table:table-cell
  table:number-columns-repeated="16384"/></table:table-row>
<table:table-row><table:table-cell/>
{value("string", "one<text:s text:c='2'/>line</text:p><text:p>two")}</table:table-row>
<table:table-row table:number-rows-repeated="1048566"><table:table-cell table:number-columns-repeated="16384"/>
</table:table-row></table:table>
<table:table table:name="Hidden" table:style-name="ta2"><table:table-row>{value("string", "secret")}</table:table-row>
</table:table>
<table:table table:name="Merged"><table:table-row>
{value("string", "both", 'table:number-columns-spanned="2" table:number-rows-spanned="2"')}<table:covered-table-cell/>
{value("string", "c", 'table:number-columns-repeated="2"')}</table:table-row>
<table:table-row table:number-rows-repeated="2"><table:covered-table-cell table:number-columns-repeated="2"/>
{value("float", "1e3", 'office:value="1000.5"')}
<table:table-cell><office:annotation><text:p>remark</text:p></office:annotation></table:table-cell></table:table-row>
</table:table><table:table table:name="Empty"/>"""


def test_sheets_give_values_as_those_of_excel_do() -> None:
    parsed = parse_file(packed("ods", SHEETS), "a.ods")
    assert parsed.title == "Pump manual" and parsed.metadata == {"sheets": 4, "author": "Ann Li"}
    assert blocks(parsed) == [
        ("heading", "Parts"),
        (
            "table",
            "| Code | Price | Due |\n| AX-1 | 12 | 2026-09-30 |\n| 0.07 | True | 2026-09-30 08:15:00 |\n"
            "| 08:15:00 | 1 day, 2:00:00 | #DIV/0! |",
        ),
        ("paragraph", "one line two"),
        ("heading", "Merged"),
        ("table", "| both | c | c |\n|  | 1000.5 |  |\n|  | 1000.5 |  |"),
    ]
    assert [block.page for block in parsed.outline] == [1, 1, 1, 3, 3]


@pytest.mark.parametrize(
    ("kind", "attribute", "read"),
    [
        ("float", "", "shown"),
        ("float", 'office:value="many"', "shown"),
        ("date", 'office:date-value="2026-02-31"', "shown"),
        ("date", "", "shown"),
        ("time", 'office:time-value="soon"', "shown"),
        ("time", 'office:time-value="PT9999999H"', "416666 days, 15:00:00"),
        ("void", "", "shown"),
    ],
)
def test_a_value_that_there_is_not_is_read_as_shown(kind: str, attribute: str, read: str) -> None:
    row = f"<table:table-row>{value(kind, 'shown', attribute)}{value('string', 'x')}</table:table-row>"
    assert (
        f"| {read} | x |" in parse_file(packed("ods", f'<table:table table:name="A">{row}</table:table>'), "a.ods").text
    )


SLIDES = """<draw:page draw:name="page1"><draw:g><draw:custom-shape svg:x="1cm" svg:y="90mm"><text:p>below</text:p>
</draw:custom-shape></draw:g><draw:frame presentation:class="outline" svg:x="1in" svg:y="3in"><draw:text-box><text:list>
<text:list-item><text:p>First</text:p><text:list><text:list-item><text:p>Inner</text:p></text:list-item></text:list>
</text:list-item><text:list-item><text:p>Second</text:p></text:list-item></text:list></draw:text-box></draw:frame>
<draw:frame presentation:class="title" svg:x="1cm" svg:y="1cm"><draw:text-box><text:p>Goals<text:line-break/>of 2026
</text:p></draw:text-box></draw:frame>
<draw:frame svg:x="1cm"
 svg:y="15cm"><table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>
<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table><draw:image xlink:href="x.png"/>
</draw:frame><draw:frame svg:y="0cm"><draw:image xlink:href="Pictures/x.png"/><svg:desc>picture</svg:desc></draw:frame>
<presentation:notes><draw:page-thumbnail/><draw:frame
 presentation:class="notes"><draw:text-box><text:p>Say it slowly</text:p>
</draw:text-box></draw:frame><draw:frame
 presentation:class="page-number"><draw:text-box><text:p>7</text:p></draw:text-box>
</draw:frame></presentation:notes></draw:page>
<draw:page draw:name="page2"><draw:frame presentation:class="title" presentation:placeholder="true"><draw:text-box/>
</draw:frame><draw:rect><text:p>Only this</text:p></draw:rect></draw:page>"""


def test_slides_are_pages_with_title_lists_tables_and_notes() -> None:
    parsed = parse_file(packed("odp", SLIDES, "<office:meta/>"), "a.odp")
    assert parsed.title == "Goals of 2026" and parsed.metadata == {"pages": 2}
    assert [(block.page, *part) for block, part in zip(parsed.outline, blocks(parsed), strict=True)] == [
        (1, "heading", "Goals of 2026"),
        (1, "list", "- First\n  - Inner\n- Second"),
        (1, "paragraph", "below"),
        (1, "table", "| a | b |"),
        (1, "paragraph", "Say it slowly"),
        (2, "paragraph", "Only this"),
    ]


ENCRYPTED = manifest(
    '<manifest:file-entry manifest:full-path="content.xml"><manifest:encryption-data manifest:checksum="x"/>'
    "</manifest:file-entry>"
)
GOOD = {"odt": TEXT, "ods": SHEETS, "odp": SLIDES}
ENTITY = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize("kind", GOOD)
def test_an_encrypted_or_misnamed_file_says_so(kind: str) -> None:
    with pytest.raises(ParseError, match=rf"a\.{kind} is encrypted"):
        parse_file(packed(kind, GOOD[kind], manifest=ENCRYPTED), f"a.{kind}")
    for other in GOOD.keys() - {kind}:
        with pytest.raises(ParseError, match=rf"is an OpenDocument {KINDS[kind]}; give it the extension \.{kind}"):
            parse_file(packed(kind, GOOD[kind]), f"a.{other}")
    with pytest.raises(ParseError, match=r"without the parts of a \.docx"):
        parse_file(packed(kind, GOOD[kind]), "a.docx")
    with pytest.raises(ParseError, match="an unknown type|not a readable"):
        parse_file(b"words", f"a.{kind}")


def test_a_package_encrypted_as_a_whole_says_so() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("encrypted-package", random.Random(1).randbytes(100))
        archive.writestr("META-INF/manifest.xml", ENCRYPTED)
    with pytest.raises(ParseError, match=r"a\.odt is encrypted"):
        parse_file(stream.getvalue(), "a.odt")


def test_repeated_cells_fill_no_memory() -> None:
    cells = value("string", "x" * 50, many(16384))
    wide = f'<table:table-row table:number-rows-repeated="1048576">{cells}</table:table-row>'
    start = time.thread_time()
    with pytest.raises(ParseError, match="more than 20,000,000 characters|more than 5,000,000 cells"):
        parse_file(packed("ods", f'<table:table table:name="A">{wide * 3_000}</table:table>'), "a.ods")
    cells = value("string", "x", many(999999999))
    row = f'<table:table-row table:number-rows-repeated="9999999999">{cells}</table:table-row>'
    text = parse_file(packed("odt", f"<table:table>{row}</table:table>"), "a.odt").text
    assert text.count("x") == 100
    deep = parse_file(packed("ods", f'<table:table table:name="A">{row}{row}</table:table>'), "a.ods")
    assert deep.text.count("\n") == 2 + 199 and deep.metadata["cut_sheets"] == ["A"]
    assert time.thread_time() - start < 20


def many(columns: int) -> str:
    return f'table:number-columns-repeated="{columns}"'


def test_blanks_and_entities_fill_no_memory() -> None:
    assert parse_file(packed("odt", '<text:p>a<text:s text:c="2000000000"/>b</text:p>'), "a.odt").text == "a b"
    data = packed("odt", "<text:p>a &b; c</text:p>")
    with pytest.raises(ParseError, match="damaged"):  # an entity that nobody declared
        parse_file(data, "a.odt")
    assert parse_file(replaced(data, "?>\n", f"?>{ENTITY}"), "a.odt").text == "a c"


def replaced(data: bytes, old: str, new: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(stream, "w") as target:
        for part in source.namelist():
            content = source.read(part)
            target.writestr(part, content.replace(old.encode(), new.encode()) if part == "content.xml" else content)
    return stream.getvalue()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_damaged_files_give_a_document_or_a_parse_error(kind: str, data: st.DataObject) -> None:
    whole = packed(kind, GOOD[kind])
    at = data.draw(st.integers(0, len(whole) - 1))
    junk = data.draw(st.binary(max_size=40))
    for broken in (whole[:at], whole[:at] + junk + whole[at + len(junk) :]):
        read_or_refused(broken, f"a.{kind}")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_odd_markup_gives_a_document_or_a_parse_error(kind: str, data: st.DataObject) -> None:
    """Tags and attributes taken out, doubled and exchanged: still XML, but no OpenDocument."""
    pieces = re.findall(r"<[^>]*>|[^<]+", GOOD[kind])
    at = data.draw(st.integers(0, len(pieces) - 1))
    swapped = [*pieces[:at], data.draw(st.sampled_from(pieces)), *pieces[at + 1 :]]
    read_or_refused(packed(kind, "".join(swapped)), f"a.{kind}")
    values = data.draw(st.sampled_from(["-1", "", "x", "9" * 30, "1.5", "²"]))
    odd = re.sub(r'="[^"]*"', lambda match: f'="{values}"' if match.start() % 7 == at % 7 else match[0], GOOD[kind])
    read_or_refused(packed(kind, odd), f"a.{kind}")


def read_or_refused(data: bytes, name: str) -> None:
    try:
        parsed = parse_file(data, name)
    except ParseError as error:
        assert error.remedy
        return
    assert parsed.text.strip()
