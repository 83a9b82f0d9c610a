"""PowerPoint: each slide is a page with its title as heading, then text, lists, tables and notes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pptx
from pptx.shapes.group import GroupShape

from ingest.contracts import ParsedDocument
from ingest.parsers.builder import TextBuilder
from ingest.parsers.guard import damaged
from ingest.parsers.limits import Deadline

_MAX_GROUP_DEPTH = 20  # groups inside groups; drawings go deeper, texts do not


class PptxParser:
    """Office Open XML presentations."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The slides' text with slide numbers as pages. Raises `ParseError`."""
        builder = TextBuilder(name)
        deadline = Deadline(name)
        with damaged(name, "open it in PowerPoint and save it again"):
            presentation = pptx.Presentation(io.BytesIO(data))
            for number, slide in enumerate(presentation.slides, start=1):
                deadline.check()
                _add_slide(slide, builder, number)
            title, count = presentation.core_properties.title or "", len(presentation.slides)
        generic = title.strip().lower() in ("powerpoint presentation", "powerpoint 演示文稿", "演示文稿")
        return builder.build(builder.first_heading if generic or not title else title, {"pages": count})


def _add_slide(slide: Any, builder: TextBuilder, page: int) -> None:
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        builder.heading(title.text_frame.text, 1, page)
    for shape in _shapes(slide.shapes, 0):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if getattr(shape, "has_table", False) and shape.has_table:
            builder.table(([cell.text for cell in row.cells] for row in shape.table.rows), page)
        elif shape.has_text_frame:
            _add_text(shape.text_frame, builder, page)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        builder.paragraph(slide.notes_slide.notes_text_frame.text, page)


def _shapes(shapes: Any, depth: int) -> Iterator[Any]:
    """All shapes in reading order: from the top, then from the left; groups opened."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if isinstance(shape, GroupShape) and depth < _MAX_GROUP_DEPTH:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _add_text(frame: Any, builder: TextBuilder, page: int) -> None:
    paragraphs = [paragraph for paragraph in frame.paragraphs if paragraph.text.strip()]
    if len(paragraphs) < 2:
        builder.paragraph(frame.text.replace("\v", "\n"), page)
    else:
        builder.listing(("  " * p.level + "- " + p.text.replace("\v", " ").strip() for p in paragraphs), page)
