"""How right an answer is: exact match and F1 of SQuAD (Rajpurkar et al. 2016), for words and for Han characters.

Width and case never count. Where neither text of a comparison has Han characters, it is as in SQuAD's own script: ASCII
punctuation and articles do not count. Where one has, words of both are single Han characters, numbers, and what stands
between those; articles count, and no punctuation and no symbol does.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_HAN = re.compile(r"[\u3400-\u9fff]")
_BREAK = re.compile("[。，、；：？！…—（）《》〈〉「」『』【】〔〕“”]")  # without it 第51。2008年 has the number 512008
_TOKEN = re.compile(r"[\u3400-\u9fff]|[0-9]+|[^\s0-9\u3400-\u9fff]+")


def exact(answer: str, golds: Sequence[str]) -> float:
    """1 where the answer is one of `golds`, else 0; without golds 1 for an empty answer."""
    pairs = (_tokens(answer, gold) for gold in golds or ("",))
    return float(any(found == gold for found, gold in pairs))


def overlap_f1(answer: str, golds: Sequence[str]) -> float:
    """The best F1, 0 to 1, of the answer's tokens against those of a gold answer."""
    return max(_f1(*_tokens(answer, gold)) for gold in golds or ("",))


def contains(text: str, golds: Sequence[str]) -> float:
    """1 where a gold answer stands in the text, token by token."""
    pairs = (_tokens(text, gold) for gold in golds)
    return float(any(f" {' '.join(gold)} " in f" {' '.join(held)} " for held, gold in pairs if gold))


def _tokens(text: str, gold: str) -> tuple[list[str], list[str]]:
    """What counts of each, by the rule for both."""
    cut = _characters if _HAN.search(text) or _HAN.search(gold) else _words
    return cut(text), cut(gold)


def _words(text: str) -> list[str]:
    plain = "".join(letter for letter in _folded(text) if letter not in string.punctuation)
    return _ARTICLE.sub(" ", plain).split()


def _characters(text: str) -> list[str]:
    folded = _folded(_BREAK.sub(" ", text))
    return _TOKEN.findall("".join(one for one in folded if unicodedata.category(one)[0] not in "PS"))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _f1(found: list[str], gold: list[str]) -> float:
    if not found or not gold:
        return float(found == gold)
    common = sum((Counter(found) & Counter(gold)).values())
    return 2 * common / (len(found) + len(gold))
