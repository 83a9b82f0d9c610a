"""How many encoder tokens a stretch of text costs, estimated without a tokenizer.

Weights were fitted by least squares to the WordPiece tokenizer of all-MiniLM-L6-v2 on seven English and Chinese
corpora: the estimate lies within -15 % and +12 % of the truth for 90 % of the texts of each.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

WORD_START = 0.95  # tokens of a Latin word up to LONG_WORD letters
LONG_WORD = 6  # letters
LATER_LETTER = 0.25  # tokens of each further letter
DIGIT = 0.6  # tokens
SYMBOL = 1.0  # tokens of a punctuation mark, a Han, Kana or Hangul character, or a letter of a further script

_SPACE, _SYMBOL, _DIGIT, _LATIN = range(4)
_LAST_LATIN = 0x24F  # Latin Extended-B ends here
_BMP = 0x10000


def token_sums(text: str) -> NDArray[np.float64]:
    """Running totals, shape (len(text) + 1,): `text[a:b]` costs about `sums[b] - sums[a]` tokens."""
    if not text:
        return np.zeros(1)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = _kinds()[np.minimum(points, _BMP - 1)]
    weights = _weights()[kinds]
    latin = kinds == _LATIN
    starts = latin.copy()
    starts[1:] &= ~latin[:-1]
    index = np.arange(len(points))
    since_start = index - np.maximum.accumulate(np.where(starts, index, 0))
    weights[latin & (since_start >= LONG_WORD)] = LATER_LETTER
    weights[starts] = WORD_START
    sums = np.empty(len(points) + 1)
    sums[0] = 0.0
    np.cumsum(weights, out=sums[1:])
    return sums


def estimate_tokens(text: str) -> float:
    """About how many tokens an encoder makes of the text, special tokens not counted."""
    return float(token_sums(text)[-1])


@lru_cache(maxsize=1)
def _weights() -> NDArray[np.float64]:
    return np.array([0.0, SYMBOL, DIGIT, 0.0])


@lru_cache(maxsize=1)
def _kinds() -> NDArray[np.uint8]:
    """The kind of every character of the basic plane; its last entry stands for all planes above."""
    return np.array([_kind(point) for point in range(_BMP - 1)] + [_SYMBOL], np.uint8)


def _kind(point: int) -> int:
    character = chr(point)
    category = unicodedata.category(character)
    if character.isspace() or category in ("Cc", "Cf", "Mn"):
        return _SPACE
    if category == "Nd":
        return _DIGIT
    return _LATIN if category[0] == "L" and point <= _LAST_LATIN else _SYMBOL
