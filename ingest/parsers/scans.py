"""Pages whose text is recognised in their picture, and what the document says of that."""

from __future__ import annotations

from typing import Any

from ingest.parsers.reading_order import page_text
from ingest.parsers.recognition import Pixels, recognise


class Scans:
    """Reads pages one after the other; `texts` has those in which text was found, by page."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self._characters = 0
        self._confidence = 0.0  # summed over the characters

    def read(self, page: int, pixels: Pixels) -> None:
        """Recognise the text of a page."""
        lines = recognise(pixels)
        if text := page_text(lines):
            self.texts[page] = text
        self._characters += sum(len(line.text) for line in lines)
        self._confidence += sum(len(line.text) * line.confidence for line in lines)

    @property
    def metadata(self) -> dict[str, Any]:
        """That text was recognised, on how many pages, and how sure that is (0 to 1); empty where none was found."""
        if not self.texts:
            return {}
        confidence = round(self._confidence / max(1, self._characters), 2)
        return {"ocr": True, "ocr_pages": len(self.texts), "ocr_confidence": confidence}
