"""What shared words cannot tell of a statement and its source: that it says the opposite.

"May not" has the content words of "may".
"""

from __future__ import annotations

import re
from itertools import pairwise

from retrieval.answer.question import Tokens, content_spans, content_tokens

SCOPE = 3  # content words, or Han bigrams, that "no" reaches within its clause; other negations reach the first

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
