"""OpenDocument presentations: each slide is a page with its title as heading, then text, lists, tables and notes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ingest.contracts import ParsedDocument
from ingest.parsers.builder import TextBuilder
from ingest.parsers.guard import damaged
from ingest.parsers.limits import Deadline
from ingest.parsers.odf import Styles, check_kind, open_package, qn
from ingest.parsers.odf_blocks import OdfBlocks
from ingest.parsers.safe_xml import read_xml

_LENGTH = re.compile(r"(-?\d{1,9}(?:\.\d{1,9})?)(cm|mm|in|pt|pc|px)")
_POINTS = {"cm": 72 / 2.54, "mm": 72 / 25.4, "in": 72.0, "pt": 1.0, "pc": 12.0, "px": 0.75}
_CLASS = qn("presentation:class")
_NOT_OF_THE_SLIDE = ("page", "header", "footer", "date-time", "page-number", "handout")


class OdpParser:
    """Slides of LibreOffice, OpenOffice and others."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The slides' text with slide numbers as pages. Raises `ParseError`."""
        builder = TextBuilder(name)
        with damaged(name, "open it in LibreOffice and save it again"):
            package = open_package(data, name)
            content = read_xml(package.content)
            body = check_kind(content.find(qn("office:body")), "presentation", name)
            blocks = OdfBlocks(builder, Styles([content]), Deadline(name))
            slides = body.findall(qn("draw:page"))
            for number, slide in enumerate(slides, start=1):
                _add_slide(slide, blocks, builder, number)
        metadata = {"pages": len(slides)} | ({"author": package.author} if package.author else {})
        return builder.build(package.title or builder.first_heading, metadata)


def _add_slide(slide: Any, blocks: OdfBlocks, builder: TextBuilder, page: int) -> None:
    title = next((shape for shape in slide.iterchildren() if shape.get(_CLASS) == "title"), None)
    if title is not None:
        builder.heading(blocks.cell_text(title), 1, page)
    for shape in _shapes(slide):
        if shape is not title:
            blocks.add_one(shape, page)
    blocks.finish(page)
    for notes in slide.iterchildren(qn("presentation:notes")):
        for shape in _shapes(notes):
            blocks.add_one(shape, page)
        blocks.finish(page)


def _shapes(slide: Any) -> Iterator[Any]:
    """What stands on a slide in reading order: from the top, then from the left; groups opened."""
    shapes = [shape for shape in _opened(slide) if shape.get(_CLASS) not in _NOT_OF_THE_SLIDE]
    yield from sorted(shapes, key=lambda shape: (_place(shape, "svg:y"), _place(shape, "svg:x")))


def _opened(parent: Any) -> Iterator[Any]:
    for child in parent.iterchildren():
        if child.tag in (qn("draw:g"), qn("draw:a")):
            yield from _opened(child)
        elif child.tag != qn("presentation:notes"):
            yield child


def _place(shape: Any, name: str) -> float:
    match = _LENGTH.fullmatch(shape.get(qn(name), ""))
    return float(match[1]) * _POINTS[match[2]] if match else 0.0
