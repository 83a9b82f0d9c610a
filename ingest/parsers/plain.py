"""Plain text: paragraphs between blank lines."""

from __future__ import annotations

import re

from ingest.cleaning import clean_text
from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.charset import decode
from retrieval.types import Block

_PARAGRAPH = re.compile(r"\S[^\n]*(?:\n[^\n]*\S[^\n]*)*")


class PlainTextParser:
    """Text in any charset, kept as written apart from cleaning."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The text with one block a paragraph; no title. Raises `ParseError` when blank or binary."""
        text = clean_text(decode(data, name))
        if not text:
            raise ParseError(f"{name} holds no text", "leave it out")
        outline = tuple(Block(match.start(), match.end()) for match in _PARAGRAPH.finditer(text))
        return ParsedDocument("", text, outline)
