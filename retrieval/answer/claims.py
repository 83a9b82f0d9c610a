"""What shared words cannot tell of a statement and its source: other numbers, or the opposite.

"4 months" is a substring of "24 months", and "may not" has the content words of "may".
"""

from __future__ import annotations

import re
from itertools import pairwise

from retrieval.answer.question import Tokens, content_spans, content_tokens

SCOPE = 3  # content words, or Han bigrams, that "no" reaches within its clause; other negations reach the first

_FOLDED = str.maketrans("０１２３４５６７８９．：／－–", "0123456789.:/--")
_NUMBER = re.compile(r"\d+(?:[.,:/\-]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DOTTED_DATE = re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}")
_THAN = r" (?:more|less|fewer|later|earlier|sooner) than\b"
# Named groups deny what follows them; the others deny too, but what they deny does not surely follow.
NEGATION = re.compile(
    rf"\b(?:(?P<no>nobody|no one|neither|nor|none|no(?!\.?\s*\d|{_THAN}))|"
    rf"(?P<not>not(?! only\b|{_THAN})|never|cannot|\w+n['’]t|(?:prohibited|forbidden|barred) (?:from|to))|"
    r"without|(?:prohibit|forb[ia]d|exclu[ds]|reject|refus)\w*|ineligible|unable|impossible|banned|denied)\b|"
    r"未经|拒绝|驳回|(?P<han>禁止|严禁|"
    r"不(?!仅|但|只|过(?!期)|断|久|同(?!意)|锈|动产|管|论|足|(?:得|能|可以?|应)?(?:超过|[少低高晚迟早大小多]于))"
    r"(?:得|能|可以?|会|准|许|允许|应|予|需要?|必|宜)?|没(?!收)有?|未(?!来|婚)|"
    r"无(?!线|论|锡|人机|机|限|缝|疑)|(?<![无除])非(?!常|洲)|勿)",
    re.IGNORECASE,
)
_OF_A_NOUN = re.compile(r"(?<=[有没未无])[^，。；！？、\s]{1,6}的\w")  # 没有发票的报销: not said of the sentence
_JOINED = re.compile(r"\b(?:and|or|nor|but|also)\b|[.;!?。；！？也且并或又亦和]", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:except|unless|until|before|only)\b|除外|除非|方可|须经|才|仅|只|[之以]前", re.IGNORECASE)
_LEAVE = frozenset(("allow", "permit", "entitl", "elig", "abl"))  # stems: "not allowed to carry" denies "carry"
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
    """Whether one of the two surely denies what the other says; in doubt it does not.

    One has a denial that the other has not, and the word it begins with stands in the other. Conditions that only one
    of them has ("not paid until …") and denials of denials ("no … without …") leave doubt.
    """
    if _conditions(sentence) != _conditions(source):
        return False
    mine, theirs = _denials(sentence, analyzer), _denials(source, analyzer)
    if (mine.keys() <= theirs.keys()) == (theirs.keys() <= mine.keys()):
        return False
    denying, said = (sentence, source) if theirs.keys() <= mine.keys() else (source, sentence)
    more, fewer = (mine, theirs) if denying is sentence else (theirs, mine)
    own = [found for first, found in more.items() if first not in fewer]
    if any(not _JOINED.search(denying, a.end(), b.end()) for a, b in pairwise(own)):
        return False
    words = content_tokens(said, analyzer)
    return any(_is_sure(found, denying) and words.issuperset(_denied(found, denying, analyzer)) for found in own)


def _conditions(text: str) -> set[str]:
    return {found.lower() for found in _CONDITION.findall(text)}


def _denials(text: str, analyzer: Tokens) -> dict[str, re.Match[str]]:
    """The first denial of each word that one begins with; what denies nothing after it stands for itself."""
    found: dict[str, re.Match[str]] = {}
    for one in NEGATION.finditer(text):
        found.setdefault(_denied(one, text, analyzer)[0], one)
    return found


def _is_sure(found: re.Match[str], text: str) -> bool:
    return found.lastgroup is not None and not _OF_A_NOUN.match(text, found.end())


def _denied(found: re.Match[str], text: str, analyzer: Tokens) -> list[str]:
    """The content words, at least one, that a negation surely reaches."""
    end = _CLAUSE_END.search(text, found.end())
    clause = text[found.end() : end.start() if end else len(text)]
    words = [token for token, _, _ in content_spans(clause, analyzer)] or [found.group().lower()]
    first = next((at for at, word in enumerate(words) if word not in _LEAVE), 0)
    return words[first : first + (SCOPE if found.lastgroup == "no" else 1)]


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
