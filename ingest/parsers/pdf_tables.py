"""Ruled tables of PDF pages. Looking for them is slow, about 0.1 s a page: only where there are rules, for a while."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence, Set
from typing import Any, TypeAlias

import pdfplumber
from pypdfium2 import PdfiumError, raw

from ingest.parsers.limits import Deadline

Tables: TypeAlias = dict[int, Sequence[list[list[str | None]]]]  # by page, from 1

TABLE_SECONDS = 30.0  # of processor time, half of what a file has: some three hundred pages of tables
_MIN_RULES = 4  # drawn lines or boxes on a page below which no ruled table is looked for
_MAX_RULES = 3_000  # above, the page is a drawing, and looking for tables takes many seconds
_POINTS = 2  # that draw the shortest rule: where it begins, where it ends
_MIN_CELLS_FILLED = 0.3  # share; emptier grids are boxes around text

logger = logging.getLogger(__name__)


def may_have_tables(page: Any) -> bool:
    """Whether enough is drawn on the page (PDFium's) for a ruled table; takes a millisecond or two."""
    points = 0
    try:
        for drawn in page.get_objects(filter=(raw.FPDF_PAGEOBJ_PATH,)):
            points += max(raw.FPDFPath_CountSegments(drawn.raw), 0)
            if points >= _POINTS * _MIN_RULES:
                return True
    except PdfiumError:  # the other library shall look
        return True
    return False


def read_tables(data: bytes, name: str, pages: Set[int], deadline: Deadline) -> tuple[Tables, dict[str, Any]]:
    """The tables of these pages (numbers from 1), and what the metadata says of them.

    A table that cannot be read, or for which no time is left, leaves its words in the page's text. The metadata tells
    from which page on.
    """
    found: Tables = {}
    if not pages:
        return found, {}
    limit = Deadline(name, min(TABLE_SECONDS, deadline.left))
    number = min(pages)
    try:
        with pdfplumber.open(io.BytesIO(data)) as document:
            for page in document.pages:
                if page.page_number not in pages:
                    continue
                number = page.page_number
                if limit.left <= 0:
                    logger.info("tables of %s are left as running text from page %d on", name, number)
                    return found, {"tables_unread_from": number}
                if _MIN_RULES <= len(page.lines) + len(page.rects) <= _MAX_RULES:
                    found[number] = [table for table in page.extract_tables() if _is_table(table)]
                page.close()
    except Exception as error:  # whatever that library makes of a damaged page, its text has been read
        kind = type(error).__name__
        logger.info("tables of %s are left as running text from page %d on: %s: %s", name, number, kind, error)
        return found, {"tables_unread_from": number}
    return found, {}


def _is_table(table: list[list[str | None]]) -> bool:
    cells = [cell for row in table for cell in row]
    filled = sum(bool(cell and cell.strip()) for cell in cells)
    return len(table) > 1 and len(table[0]) > 1 and filled >= _MIN_CELLS_FILLED * len(cells)
