"""Text that UTF-8 can hold: JSON and YAML may name half of a surrogate pair, which no database or tokenizer takes."""

from __future__ import annotations

import re

_LONE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def whole_text(text: str) -> str:
    """The text with U+FFFD for each lone surrogate; as long as before, so that offsets hold."""
    return text if text.isascii() else _LONE.sub(_REPLACEMENT, text)
