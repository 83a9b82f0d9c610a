"""What shared words cannot tell of a statement and its source: other numbers, or the opposite.

"4 months" is a substring of "24 months", and "may not" has the content words of "may".
"""

from __future__ import annotations

import re
from itertools import islice

from retrieval.answer.question import Tokens, content_spans, content_tokens

SCOPE = 3  # content words, or Han bigrams, that a negation reaches within its clause

_FOLDED = str.maketrans("０１２３４５６７８９．：／－–", "0123456789.:/--")
_NUMBER = re.compile(r"\d+(?:[.,:/\-]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DOTTED_DATE = re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}")
NEGATION = re.compile(
    r"\b(?:not(?! only\b)|never|cannot|nobody|no one|without|neither|nor|none|\w+n['’]t|"
    r"no(?!\.?\s*\d| (?:more|less|fewer|later|earlier|sooner) than\b))\b|"
    r"不(?!仅|但|只|过(?!期)|断|久|同(?!意)|锈|动产|管|论|足|超过|[少低高晚迟早大小多]于)|没(?!收)有?|未(?!来|婚)|"
    r"无(?!线|论|锡|人机|机|限|缝|疑)|(?<![无除])非(?!常|洲)|勿",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[,;:.!?，；：。！？、\n]|\b(?:and|but|although|while|whereas|because|if|when|unless|until)\b|但|而|因为|如果",
    re.IGNORECASE,
)


def numbers_of(text: str) -> set[str]:
    """The numbers in a text as they compare: full-width digits folded, 10,000 as 10000, dates in parts too."""
    found = {_plain(one) for one in _numbers(text)}
    return found.union(*map(_parts, found))


def missing_number(sentence: str, held: set[str]) -> str:
    """The first number of the sentence that `held` lacks, "" without one; a date or range may stand there in parts."""
    for one in _numbers(sentence):
        parts = _parts(_plain(one))
        if _plain(one) not in held and not (parts and parts <= held):
            return one
    return ""


def is_opposed(sentence: str, source: str, analyzer: Tokens) -> bool:
    """Whether one of the two denies what the other says: only one has a negation, and it reaches shared words."""
    if (NEGATION.search(sentence) is None) == (NEGATION.search(source) is None):
        return False
    denying, said = (sentence, source) if NEGATION.search(sentence) else (source, sentence)
    words = content_tokens(said, analyzer)
    return any(not words.isdisjoint(_scope(denying, found.end(), analyzer)) for found in NEGATION.finditer(denying))


def _scope(text: str, start: int, analyzer: Tokens) -> list[str]:
    end = _CLAUSE_END.search(text, start)
    clause = text[start : end.start() if end else len(text)]
    return [token for token, _, _ in islice(content_spans(clause, analyzer), SCOPE)]


def _numbers(text: str) -> list[str]:
    return _NUMBER.findall(text.translate(_FOLDED))


def _plain(number: str) -> str:
    number = number.replace(",", "") if _THOUSANDS.fullmatch(number) else number
    return (number.lstrip("0") or "0") if number.isdecimal() else number


def _parts(number: str) -> set[str]:
    """The numbers that a date, a time or a range is made of; none of others, as 5 is no part of 3.5."""
    at = r"\." if _DOTTED_DATE.fullmatch(number) else "[:/-]"
    parts = re.split(at, number)
    return set(map(_plain, parts)) if len(parts) > 1 else set()
