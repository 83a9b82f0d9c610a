"""PDF files with a text layer and drawn rules, page by page."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pypdf
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

WIDTH, HEIGHT = 600, 800  # points
LEADING = 14  # points from line to line
COLUMN = 140  # points


def text(lines: Sequence[str], top: int = 780) -> str:
    """The drawing of lines, one below the other."""
    shown = f" 0 -{LEADING} Td ".join(f"({line}) Tj" for line in lines)
    return f"BT /F1 10 Tf 50 {top - LEADING} Td {shown} ET"


def table(rows: Sequence[Sequence[str]], top: int) -> str:
    """The drawing of a table with a rule around each cell."""
    drawn = []
    for down, row in enumerate(rows):
        for across, cell in enumerate(row):
            left, bottom = 46 + across * COLUMN, top - (down + 1) * 2 * LEADING
            drawn.append(f"{left} {bottom} {COLUMN} {2 * LEADING} re S")
            drawn.append(f"BT /F1 10 Tf {left + 4} {bottom + LEADING - 4} Td ({cell}) Tj ET")
    return "\n".join(drawn)


def pdf(pages: Sequence[str], title: str = "") -> bytes:
    """A file of these drawings, each on a page of its own."""
    writer = pypdf.PdfWriter()
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    named = writer._add_object(DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()}))
    for drawing in pages:
        page = writer.add_blank_page(WIDTH, HEIGHT)
        fonts = DictionaryObject({NameObject("/F1"): named})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        content = DecodedStreamObject()
        content.set_data(drawing.encode())
        page[NameObject("/Contents")] = writer._add_object(content)
    if title:
        writer.add_metadata({"/Title": title})
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()
