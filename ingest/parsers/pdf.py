"""PDF to text by page, with the ruled tables as rows."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pypdf
from pypdf.errors import PyPdfError

from ingest.cleaning import without_running_lines
from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.limits import Deadline
from ingest.parsers.pdf_layout import add_page_text
from ingest.parsers.pdf_scans import is_scan, read_scans
from ingest.parsers.pdf_tables import may_have_tables, read_tables
from ingest.parsers.pdfium import opened, pages_of

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
        texts, scanned, ruled = _read_pages(data, name, deadline)
        tables, about = read_tables(data, name, ruled, deadline)
        metadata |= about
        if scanned:
            texts, about = read_scans(data, name, texts, scanned, self.ocr)
            metadata |= about
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


class _Pages(NamedTuple):
    """The text layer of each page, and the numbers (from 1) of some of them."""

    texts: list[str]
    scanned: list[int]  # those whose text is in pictures
    ruled: set[int]  # those that may have tables


def _read_pages(data: bytes, name: str, deadline: Deadline) -> _Pages:
    read = _Pages([], [], set())
    with pages_of(data, name) as document:
        for number in range(1, len(document) + 1):
            deadline.check()
            with opened(document, number - 1, name) as page:
                text = _text(page)
                if is_scan(page, text):
                    read.scanned.append(number)
                if may_have_tables(page):
                    read.ruled.add(number)
            read.texts.append(text)
    return read


def _text(page: Any) -> str:
    layer = page.get_textpage()
    text: str = layer.get_text_bounded()
    layer.close()
    # PDFium marks a hyphen at a line end that it joined by U+FFFE (and U+0002 in older versions)
    return re.sub("[\ufffe\x02]\n?", "", text.replace("\r\n", "\n"))
