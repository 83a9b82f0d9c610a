"""Footnotes and endnotes of Word documents: each follows the paragraph that refers to it."""

from __future__ import annotations

import io
from typing import Any

import docx
import pytest
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from ingest.contracts import ParsedDocument
from ingest.parsers import parse_file
from retrieval.types import BlockKind

SEPARATORS = (
    '<w:{kind} w:type="separator" w:id="-1"><w:p><w:r><w:separator/><w:t>----</w:t></w:r></w:p></w:{kind}>'
    '<w:{kind} w:type="continuationSeparator" w:id="0"><w:p><w:r><w:t>====</w:t></w:r></w:p></w:{kind}>'
)


def note(number: int, *paragraphs: str, kind: str = "footnote", more: str = "") -> str:
    """A note as Word writes it: its number is a mark, and a blank follows it."""
    mark = f"<w:r><w:{kind}Ref/></w:r><w:r><w:t xml:space='preserve'> </w:t></w:r>"
    words = "".join(f"<w:p>{mark}<w:r><w:t>{words}</w:t></w:r></w:p>" for words in paragraphs)
    return f'<w:{kind} w:id="{number}">{words}{more}</w:{kind}>'


def add_notes(document: Any, *notes: str, kind: str = "footnote") -> None:
    inside = SEPARATORS.format(kind=kind) + "".join(notes)
    add_part(document, f"<w:{kind}s {nsdecls('w')}>{inside}</w:{kind}s>".encode(), kind)


def add_part(document: Any, data: bytes, kind: str = "footnote") -> None:
    content = f"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}s+xml"
    part = Part(PackURI(f"/word/{kind}s.xml"), content, data, document.part.package)
    document.part.relate_to(part, getattr(RELATIONSHIP_TYPE, f"{kind.upper()}S"))


def refer(paragraph: Any, number: int, kind: str = "footnote", properties: str = "", around: str = "") -> None:
    run = f'<w:r {nsdecls("w")}>{properties}<w:{kind}Reference w:id="{number}"/></w:r>'
    paragraph._p.append(parse_xml(f"<w:{around} {nsdecls('w')}>{run}</w:{around}>" if around else run))


def saved(document: Any) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def read(document: Any) -> ParsedDocument:
    return parse_file(saved(document), "a.docx")


def test_each_note_follows_the_paragraph_that_refers_to_it() -> None:
    document = docx.Document()
    refer(document.add_heading("Leave", 1), 4)
    first = document.add_paragraph("Staff have 25 days.")
    refer(first, 1)
    refer(first, 1, kind="endnote")
    refer(document.add_paragraph("Ask your manager."), 2)
    document.add_paragraph("The end.")
    add_notes(document, note(2, "Or the deputy.", "In writing."), note(1, "Part-time: pro rata."), note(4, "Of 2026."))
    add_notes(document, note(1, "Labour Act, section 3.", kind="endnote"), kind="endnote")
    parsed = read(document)
    assert parsed.text.split("\n\n") == [
        *("Leave", "Of 2026.", "Staff have 25 days.", "Part-time: pro rata.", "Labour Act, section 3."),
        *("Ask your manager.", "Or the deputy.", "In writing.", "The end."),
    ]
    assert {block.kind for block in parsed.outline[1:]} == {BlockKind.PARAGRAPH}
    assert "--" not in parsed.text and "==" not in parsed.text


def test_notes_of_lists_and_tables_stand_behind_the_item_and_the_table() -> None:
    document = docx.Document()
    refer(document.add_paragraph("gloves", style="List Bullet"), 1)
    document.add_paragraph("goggles", style="List Bullet")
    table = document.add_table(2, 1)
    table.cell(0, 0).text, table.cell(1, 0).text = "Part", "Valve"
    refer(table.cell(1, 0).paragraphs[0], 2)
    document.add_paragraph("The end.")
    cell = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    add_notes(document, note(1, "Of leather."), note(2, "Of brass.", more=cell.format("CW617N")))
    assert read(document).text == (
        "- gloves\n\nOf leather.\n\n- goggles\n\n| Part |\n| Valve |\n\nOf brass.\n\n| CW617N |\n\nThe end."
    )


def test_what_a_reader_does_not_see_brings_no_note() -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("Seen.")
    refer(paragraph, 1, around="del")
    refer(paragraph, 2, properties="<w:rPr><w:vanish/></w:rPr>")
    refer(paragraph, 3, around="moveFrom")
    refer(paragraph, 4, around="ins")
    refer(paragraph, 4)  # twice: once is enough
    refer(paragraph, 99)  # no such note
    hidden = "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>not seen</w:t></w:r></w:p>"
    add_notes(document, *(note(number, f"note {number}", more=hidden) for number in range(1, 6)))
    assert read(document).text == "Seen.\n\nnote 4"


@pytest.mark.parametrize("data", [b"", b"<w:footnotes", b"\xff\xfe\x00", b"<html/>", b"<w:footnotes/>"])
def test_a_broken_part_of_notes_costs_the_notes_only(data: bytes) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("Staff have 25 days.")
    refer(paragraph, 1)
    refer(paragraph, 1, kind="endnote")
    add_part(document, data)
    add_notes(document, note(1, "Labour Act.", kind="endnote"), kind="endnote")
    assert read(document).text == "Staff have 25 days.\n\nLabour Act."
