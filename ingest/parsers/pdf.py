"""PDF to text by page, with the ruled tables as rows."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pdfplumber
import pypdf
from pypdf.errors import PyPdfError

from ingest.cleaning import without_running_lines
from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.limits import Deadline
from ingest.parsers.pdf_layout import add_page_text
from ingest.parsers.pdf_scans import is_scan, read_scans
from ingest.parsers.pdfium import opened, pages_of

_MIN_RULES = 4  # drawn lines or boxes on a page below which no ruled table is looked for
_MAX_RULES = 3_000  # above, the page is a drawing, and looking for tables takes many seconds
_MAX_TABLE_PAGES = 50  # pages looked at for tables, the slow part (about 0.1 s each)
_MIN_CELLS_FILLED = 0.3  # share; emptier grids are boxes around text
_FILE_NAME = re.compile(
    r"(?i)\.(docx?|xlsx?|pptx?|pdf|indd|tex|wpd|qxd|jpe?g|png|tiff?)$"
    r"|^microsoft |^untitled|^\(anonymous\)|^\W*$"
)

logger = logging.getLogger(__name__)


class PdfParser:
    """PDF files; the text of pages without a text layer is recognised, unless `ocr` is False."""

    def __init__(self) -> None:
        self.ocr = True

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The text with page numbers; running headers and footers go. Raises `ParseError`."""
        metadata = _inspect(data, name)
        deadline = Deadline(name)
        texts, scanned = _page_texts(data, name, deadline)
        tables = _tables(data, len(texts), deadline)
        if scanned:
            recognised, about = read_scans(data, name, texts, scanned, self.ocr)
            texts, metadata = recognised, metadata | about
        pages = without_running_lines(texts)
        builder = TextBuilder(name)
        for number, text in enumerate(pages, start=1):
            add_page_text(builder, text, tables.get(number, ()), number)
        title = metadata.pop("title", "")
        return builder.build(title, {"pages": len(pages), **metadata})


def _inspect(data: bytes, name: str) -> dict[str, Any]:
    """Title and author. Raises `ParseError` when a password is needed; damage is left for the renderer to mend."""
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise ParseError(f"{name} is encrypted", "save it without a password")
        information: Mapping[str, Any] = reader.metadata or {}
        found = {key: str(information.get(f"/{key.title()}") or "").strip() for key in ("title", "author")}
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        logger.info("PDF %s has damaged metadata (%s); its pages are read all the same", name, error)
        return {}
    found["title"] = "" if _is_file_name(found["title"]) else found["title"]
    return {key: value for key, value in found.items() if value}


def _is_file_name(title: str) -> bool:
    """Whether a printer driver or a scanner wrote the title: "Microsoft Word - x.doc", "untitled", "scan.jpg"."""
    return bool(_FILE_NAME.search(title))


def _page_texts(data: bytes, name: str, deadline: Deadline) -> tuple[list[str], list[int]]:
    """The text layer of each page, and the numbers (from 1) of the pages whose text is in pictures."""
    texts, scanned = [], []
    with pages_of(data, name) as document:
        for number in range(len(document)):
            deadline.check()
            with opened(document, number, name) as page:
                text = _text(page)
                if is_scan(page, text):
                    scanned.append(number + 1)
            texts.append(text)
    return texts, scanned


def _text(page: Any) -> str:
    layer = page.get_textpage()
    text: str = layer.get_text_bounded()
    layer.close()
    # PDFium marks a hyphen at a line end that it joined by U+FFFE (and U+0002 in older versions)
    return re.sub("[\ufffe\x02]\n?", "", text.replace("\r\n", "\n"))


def _tables(data: bytes, pages: int, deadline: Deadline) -> dict[int, Sequence[list[list[str | None]]]]:
    """Ruled tables by page, 1-based. A table that cannot be read leaves its words in the page's text."""
    found: dict[int, Sequence[list[list[str | None]]]] = {}
    try:
        with pdfplumber.open(io.BytesIO(data)) as document:
            for number, page in enumerate(document.pages[: min(pages, _MAX_TABLE_PAGES)], start=1):
                deadline.check()
                if _MIN_RULES <= len(page.lines) + len(page.rects) <= _MAX_RULES:
                    found[number] = [table for table in page.extract_tables() if _is_table(table)]
                page.close()
    except ParseError:
        raise
    except Exception as error:
        logger.info("tables of a PDF are left as running text: %s: %s", type(error).__name__, error)
    return found


def _is_table(table: list[list[str | None]]) -> bool:
    cells = [cell for row in table for cell in row]
    filled = sum(bool(cell and cell.strip()) for cell in cells)
    return len(table) > 1 and len(table[0]) > 1 and filled >= _MIN_CELLS_FILLED * len(cells)
