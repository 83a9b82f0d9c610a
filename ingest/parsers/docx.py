"""Word documents: headings by style, lists, tables with merged cells, notes after their paragraph."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from docx.enum.style import WD_STYLE_TYPE
from docx.opc.part import PartFactory
from docx.oxml.ns import qn
from docx.package import Package
from docx.parts.document import DocumentPart
from docx.table import Table
from docx.text.paragraph import Paragraph

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.docx_notes import REFERENCES, DocxNotes
from ingest.parsers.guard import damaged
from ingest.parsers.limits import Deadline

_HEADING_STYLE = re.compile(r"(?:heading|标题|überschrift|titre)\s*(\d)", re.IGNORECASE)
_BULLET = "- "
_MAX_BASES = 20  # styles that a style is based on, one on another; also ends a circle of them
_MAX_SPAN = 63  # columns of a Word table

# python-docx opens no document with macros (.docm), which differs in nothing that is read here.
PartFactory.part_type_for["application/vnd.ms-word.document.macroEnabled.main+xml"] = DocumentPart


class DocxParser:
    """Office Open XML text documents."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The document's text; the title is its property or its title paragraph. Raises `ParseError`."""
        with damaged(name, "open it in Word and save it again"):
            document = _opened(data, name)
            builder = TextBuilder(name)
            body = _Body(document, builder, Deadline(name), name)
            body.add()
            author = document.core_properties.author
            title = body.title or document.core_properties.title or builder.first_heading
        return builder.build(title, {"author": author} if author else {})


def _opened(data: bytes, name: str) -> Any:
    part = Package.open(io.BytesIO(data)).main_document_part
    if not isinstance(part, DocumentPart):
        raise ParseError(f"{name} is no Word document but {part.content_type}", "save it as .docx in Word")
    return part.document


class _Body:
    """Adds the blocks of a document to the builder in order, and each note after the paragraph that refers to it."""

    def __init__(self, document: Any, builder: TextBuilder, deadline: Deadline, name: str) -> None:
        self.title = ""  # the title paragraph
        self._document, self._builder, self._deadline = document, builder, deadline
        self._styles = _styles(document)
        self._notes = DocxNotes(document.part, name)
        self._items: list[str] = []

    def add(self) -> None:
        """Add all blocks."""
        for element in _blocks(self._document.element.body, self._document):
            self._deadline.check()
            if isinstance(element, Table):
                self._finish_list()
                self._builder.table(table_rows(element))
                self._add_notes(element._tbl)
            else:
                self._add_paragraph(element)
                self._add_notes(element._p)
        self._finish_list()

    def _add_paragraph(self, paragraph: Paragraph) -> None:
        style = self._styles.get(paragraph._p.style, self._styles[None])
        level = _heading_level(paragraph, style)
        text = _paragraph_text(paragraph)
        if level is None and _is_item(paragraph, style.name) and text.strip():
            self._items.append("  " * _item_depth(paragraph) + _BULLET + text.strip())
            return
        self._finish_list()
        self.title = self.title or (text.strip() if level == 0 else "")
        if level is None:
            self._builder.paragraph(text)
        else:
            self._builder.heading(text, max(level, 1))

    def _add_notes(self, parent: Any) -> None:
        for note in self._notes.take(_read(parent, *REFERENCES)):
            self._finish_list()
            for element in _blocks(note, self._document):
                self._deadline.check()
                if isinstance(element, Table):
                    self._builder.table(table_rows(element))
                else:
                    self._builder.paragraph(_paragraph_text(element).strip())

    def _finish_list(self) -> None:
        self._builder.listing(self._items)
        self._items.clear()


class _Style(NamedTuple):
    """A paragraph style's name, and the level that it gives to paragraphs that do not set their own."""

    name: str
    level: int | None  # 1 to 9 for headings, None for text


def _styles(document: Any) -> dict[str | None, _Style]:
    """Each paragraph style by its id, the default for None and for all ids that are not here.

    Made once: `paragraph.style` searches all styles of the document each time, some milliseconds.
    """
    default = document.styles.default(WD_STYLE_TYPE.PARAGRAPH)
    ours = {one.styleId: one for one in document.styles.element.style_lst if one.type == WD_STYLE_TYPE.PARAGRAPH}
    text = _Style("", None) if default is None else _Style(default.name or "", _style_level(default.element, ours))
    return {None: text} | {key: _Style(style.name_val or "", _style_level(style, ours)) for key, style in ours.items()}


def _style_level(style: Any, styles: Mapping[str, Any]) -> int | None:
    """The heading level that a style names or sets, or takes over from the styles that it is based on."""
    for _ in range(_MAX_BASES):
        if style is None:
            break
        if match := _HEADING_STYLE.match(style.name_val or ""):
            return int(match[1]) or 1
        if (outline := _property(style, "w:pPr/w:outlineLvl")) is not None:
            return _outline_level(outline)
        style = styles.get(style.basedOn_val)
    return None


def _blocks(parent: Any, document: Any) -> Iterator[Paragraph | Table]:
    """Paragraphs and tables in order, those inside content controls too."""
    for child in _children(parent, "w:p", "w:tbl"):
        yield Paragraph(child, document) if child.tag == qn("w:p") else Table(child, document)


def _children(parent: Any, *names: str) -> Iterator[Any]:
    """The children of these names, also where wrapped in content controls or custom XML; no table of contents."""
    wanted = tuple(map(qn, names))
    for child in parent.iterchildren(*wanted, qn("w:sdt"), qn("w:customXml")):
        if child.tag in wanted:
            yield child
        elif child.tag == qn("w:customXml"):
            yield from _children(child, *names)
        elif child.find(f"{qn('w:sdtPr')}//{qn('w:docPartGallery')}") is None:
            for content in child.iterchildren(qn("w:sdtContent")):
                yield from _children(content, *names)


def _paragraph_text(paragraph: Paragraph) -> str:
    """The words of a paragraph, those in text boxes, insertions and links too."""
    return "".join(_MARKS.get(node.tag) or node.text or "" for node in _read(paragraph._p, qn("w:t"), *_MARKS))


def _read(parent: Any, *names: str) -> Iterator[Any]:
    """The elements of these names below it which a reader sees."""
    for node in parent.iter(*names):
        if not any(above.tag in _UNREAD or _is_hidden(above) for above in node.iterancestors()):
            yield node


def _is_hidden(element: Any) -> bool:
    hidden = _property(element, "w:rPr/w:vanish") if element.tag == qn("w:r") else None
    return hidden is not None and hidden.get(qn("w:val"), "1") not in ("0", "false", "off")


_MARKS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_UNREAD = frozenset(
    {
        "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",  # words once more, for old readers
        qn("w:moveFrom"),  # words once more, where they were before a tracked move
        qn("w:del"),
    }
)


def _heading_level(paragraph: Paragraph, style: _Style) -> int | None:
    """0 for the title, 1 to 9 for headings, None otherwise."""
    if style.name.lower() in ("title", "标题"):
        return 0
    outline = _property(paragraph._p, "w:pPr/w:outlineLvl")
    if outline is None or _HEADING_STYLE.match(style.name):
        return style.level
    return _outline_level(outline)


def _outline_level(outline: Any) -> int | None:
    depth = int(outline.get(qn("w:val"), "9"))
    return depth + 1 if depth < 9 else None  # 9 means body text


def _is_item(paragraph: Paragraph, style: str) -> bool:
    return style.startswith("List") or _numbering(paragraph) is not None


def _item_depth(paragraph: Paragraph) -> int:
    numbering = _numbering(paragraph)
    level = numbering.find(qn("w:ilvl")) if numbering is not None else None
    return int(level.get(qn("w:val"), "0")) if level is not None else 0


def _numbering(paragraph: Paragraph) -> Any:
    return paragraph._p.find(f"{qn('w:pPr')}/{qn('w:numPr')}")


def table_rows(table: Table) -> Iterator[list[str]]:
    """Rows of cell texts; a cell merged downwards is repeated in each row, so that every row can be read alone."""
    above: dict[int, str] = {}  # column -> text of the cell that may go on below
    for row in _children(table._tbl, "w:tr"):
        cells: list[str] = []
        at = _number(row, "w:trPr/w:gridBefore", 0)  # columns that the row leaves out
        merged: dict[int, str] = {}
        for cell in _children(row, "w:tc"):
            merge = _property(cell, "w:tcPr/w:vMerge")
            goes_on = merge is not None and merge.get(qn("w:val"), "continue") == "continue"
            text = above[at] if goes_on and at in above else _cell_text(cell, table)
            if merge is not None:
                merged[at] = text
            span = min(_number(cell, "w:tcPr/w:gridSpan", 1), _MAX_SPAN)
            cells += [text] + [""] * (span - 1)
            at += span
        above = merged
        yield cells


def _property(element: Any, path: str) -> Any:
    return element.find("/".join(map(qn, path.split("/"))))


def _number(element: Any, path: str, default: int) -> int:
    found = _property(element, path)
    return default if found is None else int(found.get(qn("w:val"), default))


def _cell_text(cell: Any, table: Table) -> str:
    parts = []
    for element in _blocks(cell, table):
        if isinstance(element, Table):
            parts += ["; ".join(filter(None, row)) for row in table_rows(element)]
        else:
            parts.append(_paragraph_text(element))
    return " ".join(part.strip() for part in parts if part.strip())
