"""Puts blocks together to a text with an exact outline; every parser ends here."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time
from typing import Any

from ingest.cleaning import MAX_TITLE, clean_prose, clean_text, clean_title
from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.limits import Deadline
from retrieval.types import Block, BlockKind

_SEPARATOR = "\n\n"
MAX_TEXT = 20_000_000  # characters of one document; longer ones are data sets, not documents
MAX_LINKS = 64  # of a block: a list of more is an index, and about none of them
MAX_LINK_LENGTH = 2_000  # characters; longer ones carry data, not an address
_MIN_FILLED = 0.05  # share of the cells of a table, below which it is all but empty
_LINE_BREAKS = dict.fromkeys(map(ord, "\t\r\n"))  # browsers leave them out of addresses
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")


class TextBuilder:
    """Collects cleaned blocks; `build` gives the document. Blank blocks are dropped.

    Adding raises `ParseError` where the text becomes too long or the file has taken too much time.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._parts: list[str] = []
        self._outline: list[Block] = []
        self._length = 0
        self._links: dict[str, None] = {}
        self._deadline = Deadline(name)

    @property
    def first_heading(self) -> str:
        """The text of the first heading, "" without one."""
        for part, block in zip(self._parts, self._outline, strict=True):
            if block.kind is BlockKind.HEADING:
                return part
        return ""

    def link(self, target: str) -> None:
        """Remember what the next block links to. What leads to no document is passed over: scripts, mail, fragments."""
        target = target.strip().translate(_LINE_BREAKS)
        scheme = _SCHEME.match(target)
        is_elsewhere = scheme is not None and scheme[1].lower() not in ("http", "https")
        if target and not target.startswith("#") and not is_elsewhere and len(target) <= MAX_LINK_LENGTH:
            self._links[target] = None

    def heading(self, text: str, level: int, page: int | None = None) -> None:
        """Add a heading of that depth, 1 = top; what is longer than a heading is a paragraph."""
        words = " ".join(clean_prose(text).split())
        if len(words) > MAX_TITLE:
            self.paragraph(text, page)
        else:
            self._add(words, BlockKind.HEADING, level, page)

    def paragraph(self, text: str, page: int | None = None) -> None:
        """Add a paragraph; line breaks in it stay."""
        self._add(clean_prose(text), BlockKind.PARAGRAPH, 0, page)

    def listing(self, lines: Iterable[str], page: int | None = None) -> None:
        """Add a list, one line an item, with its marks and indentation."""
        self._add("\n".join(filter(None, map(clean_text, lines))), BlockKind.LIST, 0, page)

    def code(self, text: str) -> None:
        """Add code or other text whose layout matters."""
        self._add(clean_text(text, code=True), BlockKind.CODE, 0, None)

    def table(self, rows: Iterable[Sequence[object]], page: int | None = None) -> None:
        """Add a table as Markdown rows, the first row being its header. Empty rows and columns are dropped.

        Short rows are filled up, unless the table is all but empty: one wide row among many would make a huge text.
        """
        cells, length = [], 0
        for row in rows:
            cut = self._cells(row)
            length += sum(map(len, cut))
            self._check_length(length)  # before the rest is held in memory, too
            if any(cut):
                cells.append(cut)
        used = sorted({at for row in cells for at, text in enumerate(row) if text})
        filled = sum(sum(map(bool, row)) for row in cells)
        is_full = filled >= _MIN_FILLED * len(cells) * len(used)
        lines = []
        for row in cells:
            texts = [row[at] for at in used[: bisect_left(used, len(row))]]
            gaps = [""] * (len(used) - len(texts)) if is_full else []
            lines.append("| " + " | ".join(texts + gaps) + " |")
        self._add("\n".join(lines), BlockKind.TABLE, 0, page)

    def _cells(self, row: Sequence[object]) -> list[str]:
        self._deadline.check()
        return [cell_text(value) for value in row]

    def _add(self, text: str, kind: BlockKind, level: int, page: int | None) -> None:
        self._deadline.check()  # for blank ones too: millions of them fit into a small file
        if not text.strip():
            return
        start = self._length + (len(_SEPARATOR) if self._parts else 0)
        self._length = start + len(text)
        self._check_length(self._length)
        self._parts.append(text)
        self._outline.append(Block(start, self._length, kind, level, page, tuple(self._links)[:MAX_LINKS]))
        self._links.clear()

    def _check_length(self, length: int) -> None:
        if length > MAX_TEXT:
            raise ParseError(
                f"{self._name} holds more than {MAX_TEXT:,} characters of text", "split it into several files"
            )

    def build(self, title: str = "", metadata: Mapping[str, Any] | None = None) -> ParsedDocument:
        """The document under that title. Raises `ParseError` when nothing was added."""
        if not self._parts:
            raise ParseError(
                f"{self._name} holds no text",
                "leave it out, or if its text is in pictures, run OCR elsewhere and ingest that",
            )
        return ParsedDocument(
            clean_title(title), _SEPARATOR.join(self._parts), tuple(self._outline), "", metadata or {}
        )


def cell_text(value: object) -> str:
    """A table cell on one line; whole floats lose their ".0", dates their midnight, None is empty."""
    if value is None or value == "":
        return ""
    if isinstance(value, datetime) and value.time() == time.min:  # workbooks know no dates without a time
        value = value.date()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:  # beyond, floats skip integers
        value = int(value)
    return " ".join(clean_prose(str(value)).split()).replace("|", "\\|")
