"""Paragraphs, lists, tables and text boxes of OpenDocument files, as blocks of a document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ingest.parsers.builder import TextBuilder
from ingest.parsers.limits import Deadline
from ingest.parsers.odf import CELL, COVERED, ROW, Styles, count_of, qn

_BULLET = "- "
_MAX_LEVEL = 9  # of headings
_MAX_LIST_DEPTH = 20  # nesting beyond which list items are no longer indented
_MAX_SPAN = 100  # rows of one cell, and columns that are written once for many
_BLANKS = re.compile(r"[ \t\r\n]+")  # as many as there are count as one; others have elements of their own

_P, _H, _LIST, _TABLE = qn("text:p"), qn("text:h"), qn("text:list"), qn("table:table")
_MARKS = {qn("text:s"): " ", qn("text:tab"): "\t", qn("text:line-break"): "\n"}
_NOTE, _BOX = qn("text:note"), qn("draw:text-box")
_DRAWN = tuple(
    qn(f"draw:{name}")
    for name in "a g frame text-box custom-shape rect line polyline polygon path circle ellipse connector caption "
    "regular-polygon measure".split()
)
_UNREAD = frozenset(
    {
        qn("office:annotation"),  # remarks beside the text
        qn("office:annotation-end"),
        qn("text:ruby-text"),  # how the words above it are pronounced
        qn("text:script"),
    }
)
# What holds blocks. Not among them: tables of contents and indexes, which repeat what stands elsewhere, and tracked
# changes, which hold the words that were deleted.
_HOLDERS = frozenset(
    {
        qn("text:section"),
        qn("text:bibliography"),
        qn("text:index-body"),
        qn("text:index-title"),
        qn("text:numbered-paragraph"),
        qn("text:note-body"),
        _BOX,
        *_DRAWN,
    }
)
_ROW_HOLDERS = tuple(qn(f"table:{name}") for name in ("table-header-rows", "table-rows", "table-row-group"))


class OdfBlocks:
    """Adds what it finds below an element to the builder; call `finish` at the end, for a list that is still open."""

    def __init__(self, builder: TextBuilder, styles: Styles, deadline: Deadline) -> None:
        self.title = ""  # the first paragraph in the style of titles
        self._builder = builder
        self._styles = styles
        self._deadline = deadline
        self._items: list[str] = []

    def add(self, parent: Any, page: int | None = None) -> None:
        """Add the blocks of this element in order."""
        for element in parent.iterchildren():
            self.add_one(element, page)

    def add_one(self, element: Any, page: int | None = None) -> None:
        """Add this element, if it is a block or holds some."""
        self._deadline.check()
        if element.tag in (_P, _H):
            self._add_paragraph(element, page)
        elif element.tag == _LIST:
            self._add_list(element, 0, page)
        elif element.tag == _TABLE:
            self.finish(page)
            self._builder.table(self._rows(element), page)
        elif element.tag in _HOLDERS and element.get(qn("text:display")) != "none":
            self.add(element, page)

    def finish(self, page: int | None = None) -> None:
        """Add the list whose items were collected."""
        self._builder.listing(self._items, page)
        self._items.clear()

    def _add_paragraph(self, element: Any, page: int | None) -> None:
        self.finish(page)
        style = element.get(qn("text:style-name"))
        if self._styles.is_hidden("paragraph", style):
            return
        aside: list[Any] = []
        text = "".join(self._parts(element, aside)).strip()
        is_title = element.tag == _P and self._styles.is_title(style)
        if is_title or element.tag == _H:
            self._builder.heading(text, 1 if is_title else _level(element), page)
        else:
            self._builder.paragraph(text, page)
        self.title = self.title or (text if is_title else "")
        self._add_aside(aside, page)

    def _add_aside(self, aside: list[Any], page: int | None) -> None:
        """Notes and text boxes come after the paragraph that they stand in."""
        for element in aside:
            self.add(element, page)
        self.finish(page)

    def _add_list(self, element: Any, depth: int, page: int | None) -> None:
        aside: list[Any] = []
        for item in element.iterchildren(qn("text:list-item"), qn("text:list-header")):
            self._deadline.check()
            mark = _BULLET if item.tag == qn("text:list-item") else ""
            for child in item.iterchildren():
                if child.tag == _H:  # how numbered headings are written
                    self._add_paragraph(child, page)
                elif child.tag == _P and (text := "".join(self._parts(child, aside)).strip()):
                    self._items.append("  " * min(depth, _MAX_LIST_DEPTH) + mark + " ".join(text.split()))
                    mark = "  "
                elif child.tag == _LIST:
                    self._add_list(child, depth + 1, page)
        if aside:
            self.finish(page)
            self._add_aside(aside, page)

    def _parts(self, element: Any, aside: list[Any]) -> Iterator[str]:
        yield _BLANKS.sub(" ", element.text or "")
        for child in element.iterchildren():
            if child.tag in _MARKS:
                yield _MARKS[child.tag]
            elif child.tag == _NOTE:
                aside += child.iterchildren(qn("text:note-body"))
            elif child.tag in _DRAWN and child.tag != qn("draw:a"):
                aside.append(child)
            elif child.tag not in _UNREAD and isinstance(child.tag, str) and not self._is_hidden(child):
                if child.tag == qn("text:a"):
                    self._builder.link(child.get(qn("xlink:href"), ""))
                yield from self._parts(child, aside)
            yield _BLANKS.sub(" ", child.tail or "")

    def _is_hidden(self, child: Any) -> bool:
        return child.tag == qn("text:span") and self._styles.is_hidden("text", child.get(qn("text:style-name")))

    def _rows(self, table: Any) -> Iterator[list[str]]:
        """Rows of cell texts; a cell merged downwards is repeated in each row, so that every row can be read alone."""
        below: dict[int, tuple[int, str]] = {}  # column -> (rows still to fill, text)
        for row in _table_rows(table):
            self._deadline.check()
            cells: list[str] = []
            for cell in row.iterchildren(CELL, COVERED):
                for _ in range(min(count_of(cell, "table:number-columns-repeated"), _MAX_SPAN)):
                    cells.append(self._next_cell(cell, len(cells), below))
            yield cells

    def _next_cell(self, cell: Any, at: int, below: dict[int, tuple[int, str]]) -> str:
        if cell.tag == COVERED:
            rows, text = below.pop(at, (1, ""))
        else:
            rows, text = min(count_of(cell, "table:number-rows-spanned"), _MAX_SPAN), self.cell_text(cell)
        if rows > 1:
            below[at] = (rows - 1, text)
        return text

    def cell_text(self, cell: Any) -> str:
        """The words of a cell on one line, those of lists and tables in it too."""
        return " ".join(part for part in self._cell_parts(cell) if part)

    def _cell_parts(self, parent: Any) -> Iterator[str]:
        for element in parent.iterchildren():
            if element.tag in (_P, _H):
                aside: list[Any] = []
                yield "".join(self._parts(element, aside)).strip()
                for one in aside:
                    yield from self._cell_parts(one)
            elif element.tag == _TABLE:
                for row in self._rows(element):
                    yield "; ".join(filter(None, row))
            elif element.tag in _HOLDERS or element.tag in (_LIST, qn("text:list-item"), qn("text:list-header")):
                yield from self._cell_parts(element)


def _table_rows(parent: Any) -> Iterator[Any]:
    """The rows of a table in order, a row that is written once for many as one."""
    for child in parent.iterchildren(ROW, *_ROW_HOLDERS):
        if child.tag == ROW:
            yield child
        else:
            yield from _table_rows(child)


def _level(heading: Any) -> int:
    value = heading.get(qn("text:outline-level"), "1")
    return max(1, min(int(value), _MAX_LEVEL)) if value.isdecimal() else 1
