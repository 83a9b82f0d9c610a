"""Pages of a PDF that are pictures: told apart by what is on them, drawn, and their text recognised."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from pypdfium2 import raw

from ingest.errors import ParseError
from ingest.parsers.limits import Deadline
from ingest.parsers.pdfium import opened, pages_of
from ingest.parsers.recognition import MAX_PAGES, PAGE_SECONDS, Pixels, check_pages, obstacle, scale_for
from ingest.parsers.scans import Scans

_STAMP = 60  # characters that a scanner or an archive prints onto a scan at most, as text
_COVERED = 0.5  # share of the page that the picture takes below such a stamp
_MAX_SCALE = 300 / 72  # pixels a point: beyond 300 dpi letters only grow
_PICTURES = (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM)  # the second: a group, as some programs pack a scan
_MAX_PICTURES = 1_000  # of a page that are measured: a scan is one, or some strips


def is_scan(page: Any, text: str) -> bool:
    """Whether the page's text is in pictures or drawn: it has no text layer, or a stamp over a picture of a page."""
    letters = len("".join(text.split()))
    if letters == 0:
        return next(page.get_objects(max_depth=1), None) is not None
    if letters > _STAMP:
        return False
    pictures = islice(page.get_objects(filter=_PICTURES, max_depth=1), _MAX_PICTURES)
    bounds = [picture.get_bounds() for picture in pictures]
    covered: float = sum((right - left) * (top - bottom) for left, bottom, right, top in bounds)
    width, height = page.get_size()
    return bool(covered >= _COVERED * width * height)


def read_scans(
    data: bytes, name: str, texts: Sequence[str], scanned: Sequence[int], wanted: bool
) -> tuple[list[str], dict[str, Any]]:
    """The texts with those of the scanned pages (numbers from 1) recognised, and what the metadata says of it.

    The metadata counts those that are not read: all, where text in pictures is not, or those above the limit. Raises
    `ParseError` if the file has no other text then.
    """
    is_scan_throughout = not any(text.strip() for text in texts)
    if found := obstacle(wanted):
        if is_scan_throughout:
            reason, remedy = found
            raise ParseError(f"{name} is a scan without a text layer, and {reason}", remedy)
        return list(texts), {"unread_pages": len(scanned)}
    if is_scan_throughout:
        check_pages(name, len(scanned))
    read, unread = scanned[:MAX_PAGES], scanned[MAX_PAGES:]
    scans, deadline = Scans(), Deadline(name, PAGE_SECONDS * len(read))
    with pages_of(data, name) as document:
        for number in read:
            deadline.check()
            scans.read(number, _drawn(document, number - 1, name))
    metadata = scans.metadata | ({"unread_pages": len(unread)} if unread else {})
    return [scans.texts.get(number, text) for number, text in enumerate(texts, start=1)], metadata


def _drawn(document: Any, number: int, name: str) -> Pixels:
    with opened(document, number, name) as page:
        width, height = page.get_size()
        bitmap = page.render(scale=scale_for(width, height, _MAX_SCALE))
        pixels = np.array(bitmap.to_numpy()[:, :, :3])
        bitmap.close()
    return pixels
