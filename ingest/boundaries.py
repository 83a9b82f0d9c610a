"""Where a text may be cut: paragraph, row, sentence, line, clause and word boundaries, strongest first."""

from __future__ import annotations

import re
import unicodedata
import zlib

_CLOSING = r"[\"'”’»）」』】》\])]*"
PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
LINE = re.compile(r"\n\s*")
# A Latin sentence ends before a space and no small letter ("e.g. this" goes on); a full-width mark ends one by itself.
SENTENCE = re.compile(rf"[.!?]+{_CLOSING}\s+(?=[^a-z\s])|[。！？…]+{_CLOSING}\s*")
CLAUSE = re.compile(r"[;:,]\s+|[，；：、]\s*")
WORD = re.compile(r"\s+")

# Scripts written without spaces (Thai to Khmer, Kana, Han): a cut between two of their characters splits no word.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_LOOK_BACK = 16  # characters: a boundary mark may begin before the first place where a cut is wanted
_TIE_CHARACTERS = 48  # how much of the following text decides between equal cuts


def cuts(pattern: re.Pattern[str], text: str, first: int, last: int) -> list[int]:
    """Positions in `first..last` where a stretch may begin after that boundary, in order."""
    found = (match.end() for match in pattern.finditer(text, max(0, first - _LOOK_BACK), min(len(text), last + 1)))
    return [position for position in found if first <= position <= last]


def character_cuts(text: str, first: int, last: int) -> list[int]:
    """Positions in `first..last` between characters of unspaced scripts, else wherever no sequence is torn apart."""
    free = [at for at in range(max(first, 1), min(last, len(text) - 1) + 1) if not _joins_previous(text, at)]
    between_words = [at for at in free if _UNSPACED.match(text[at]) or _UNSPACED.match(text[at - 1])]
    return between_words or free


def choose(text: str, positions: list[int]) -> int:
    """One of equally good cuts, by a hash of the text that follows.

    The choice depends on the text beside the cut, not on where counting began, so that after an edit the cuts of
    later paragraphs fall back into step with the old ones (content-defined chunking).
    """
    return max(positions, key=lambda at: (zlib.crc32(text[at : at + _TIE_CHARACTERS].encode("utf-8", "replace")), at))


def _joins_previous(text: str, at: int) -> bool:
    """Whether the character at `at` belongs to the one before: combining marks, joiners, skin tones, low surrogates."""
    character = text[at]
    if unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf") or text[at - 1] == "\u200d":
        return True
    return "\udc00" <= character <= "\udfff" or "\U0001f3fb" <= character <= "\U0001f3ff"
