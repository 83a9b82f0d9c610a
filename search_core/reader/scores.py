"""How right an answer is: exact match and F1 of SQuAD (Rajpurkar et al. 2016), for words and for Han characters.

Texts without Han characters are compared as SQuAD's own script does: ASCII punctuation, case and articles do not count.
Of the others each Han character counts as a word, and no punctuation counts.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_HAN = re.compile(r"[\u3400-\u9fff]")
_TOKEN = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")


def answer_tokens(text: str) -> list[str]:
    """What counts of an answer."""
    if not _HAN.search(text):
        plain = "".join(letter for letter in text.lower() if letter not in string.punctuation)
        return _ARTICLE.sub(" ", plain).split()
    lowered = unicodedata.normalize("NFKC", text).lower()
    return _TOKEN.findall("".join(one for one in lowered if not unicodedata.category(one).startswith(("P", "S"))))


def exact(answer: str, golds: Sequence[str]) -> float:
    """1 where the answer is one of `golds`, else 0; without golds 1 for an empty answer."""
    found = answer_tokens(answer)
    return float(any(found == answer_tokens(gold) for gold in golds or ("",)))


def overlap_f1(answer: str, golds: Sequence[str]) -> float:
    """The best F1, 0 to 1, of the answer's tokens against those of a gold answer."""
    found = answer_tokens(answer)
    return max(_f1(found, answer_tokens(gold)) for gold in golds or ("",))


def contains(text: str, golds: Sequence[str]) -> float:
    """1 where a gold answer stands in the text, token by token."""
    held = f" {' '.join(answer_tokens(text))} "
    return float(any(f" {' '.join(answer_tokens(gold))} " in held for gold in golds if answer_tokens(gold)))


def _f1(found: list[str], gold: list[str]) -> float:
    if not found or not gold:
        return float(found == gold)
    common = sum((Counter(found) & Counter(gold)).values())
    return 2 * common / (len(found) + len(gold))
