"""Folding text so that spellings of one word become equal: width, case, accents, traditional Chinese characters.

Every character folds on its own, so positions in folded text map back to positions in the original.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib import resources

HAN = re.compile(r"[\u3400-\u9fff]")  # a Chinese character
_CLUSTER = re.compile(
    r"[^\W\d_][\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u064b-\u065f\u3099\u309a]+"  # letter and accents
    r"|[\uff66-\uff9d][\uff9e\uff9f]"  # half-width Kana and its voicing mark
    r"|[\u1100-\u11ff]+"  # Hangul in single letters
)
_HALF_WIDTH_MARK = re.compile(r"[\uff9e\uff9f]")
_LATIN_WITH_ACCENT = re.compile(r"[\u00c0-\u024f\u1e00-\u1eff]")
_COMBINING_ACCENT = re.compile(r"[\u0300-\u036f]")


def fold(text: str) -> str:
    """The text in its comparable form."""
    if text.isascii():
        return text.lower()
    return _compose(text).translate(_folding_table())


def fold_with_origins(text: str) -> tuple[str, Sequence[int]]:
    """The folded text, and for each of its characters (and its end) the index in `text` where it came from."""
    if text.isascii():
        return text.lower(), range(len(text) + 1)
    table = _folding_table()
    if _is_composed(text) and all(len(table[ord(character)]) == 1 for character in set(text)):
        return text.translate(table), range(len(text) + 1)  # a character each, as nearly always
    composed, starts = _compose_with_origins(text)
    pieces: list[str] = []
    origins: list[int] = []
    for character, start in zip(composed, starts, strict=False):
        piece = table[ord(character)]
        pieces.append(piece)
        origins.extend([start] * len(piece))
    origins.append(len(text))
    return "".join(pieces), origins


def _is_composed(text: str) -> bool:
    return unicodedata.is_normalized("NFC", text) and not _HALF_WIDTH_MARK.search(text)


def _compose(text: str) -> str:
    if _is_composed(text):
        return text
    return _CLUSTER.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


def _compose_with_origins(text: str) -> tuple[str, list[int]]:
    if _is_composed(text):
        return text, list(range(len(text)))
    pieces: list[str] = []
    origins: list[int] = []
    done = 0
    for match in _CLUSTER.finditer(text):
        pieces.append(text[done : match.start()])
        origins.extend(range(done, match.start()))
        composed = unicodedata.normalize("NFKC", match[0])
        pieces.append(composed)
        origins.extend([match.start()] * len(composed))
        done = match.end()
    pieces.append(text[done:])
    origins.extend(range(done, len(text)))
    return "".join(pieces), origins


class _FoldingTable(dict[int, str]):
    """Character code -> folded text, filled as characters appear (at most one entry a Unicode character)."""

    def __init__(self, simplified: dict[str, str]) -> None:
        super().__init__()
        self._simplified = simplified

    def __missing__(self, code: int) -> str:
        folded = unicodedata.normalize("NFKC", chr(code)).casefold()
        folded = unicodedata.normalize("NFKC", folded)
        if _LATIN_WITH_ACCENT.search(folded):
            folded = _COMBINING_ACCENT.sub("", unicodedata.normalize("NFKD", folded))
        self[code] = result = "".join(self._simplified.get(character, character) for character in folded)
        return result


@cache
def _folding_table() -> _FoldingTable:
    # read without importing zhconv, which opens this file through the deprecated pkg_resources
    tables = json.loads(resources.files("zhconv").joinpath("zhcdict.json").read_bytes())
    single = {old: new for old, new in tables["zh2Hans"].items() if len(old) == 1 and len(new) == 1}
    return _FoldingTable(single)
