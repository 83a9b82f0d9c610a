"""The kinds of a question that a gain on all must not hide a loss on: its language and its length."""

from __future__ import annotations

import re

from retrieval.catalog.eval_sets import EvalQuery

SHORT = 4  # words, or Chinese characters by two
_HAN = re.compile(r"[㐀-鿿]")
_WORD = re.compile(r"[^\W㐀-鿿]+")


def kinds_of(question: EvalQuery) -> tuple[str, ...]:
    """Such as ("english", "short")."""
    han, words = len(_HAN.findall(question.text)), len(_WORD.findall(question.text))
    if han and words > han:
        language = "mixed"
    else:
        language = "chinese" if han else "english"
    return language, "short" if words + han / 2 <= SHORT else "long"
