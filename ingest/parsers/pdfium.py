"""PDFium, which draws pages and reads their text layer, for one thread at a time: it is not made for several."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pypdfium2

from ingest.errors import ParseError

_lock = threading.Lock()


@contextmanager
def pages_of(data: bytes, name: str) -> Iterator[Any]:
    """The document as a sequence of pages; use its pages by `opened` only. Raises `ParseError` for a damaged one."""
    with _lock:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            raise ParseError(f"{name} is damaged: {error}", "open and save it again") from error
    try:
        yield document
    finally:
        with _lock:
            document.close()


@contextmanager
def opened(document: Any, number: int, name: str) -> Iterator[Any]:
    """The page of that number, from 0, for this thread alone. Raises `ParseError` for a damaged one."""
    with _lock:
        try:
            page = document[number]
            try:
                yield page
            finally:
                page.close()
        except pypdfium2.PdfiumError as error:
            raise ParseError(f"{name} has a damaged page: {error}", "open and save it again") from error
