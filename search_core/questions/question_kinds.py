"""The kinds of a question that a gain on all must not hide a loss on: its language and its length."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from retrieval.analysis.language import detect_language
from retrieval.catalog.eval_sets import EvalQuery

SHORT = 4  # words, or Chinese and Japanese characters by two
CHINESE, MIXED = "chinese", "mixed"
OTHER = "other"  # a language of too few questions to be a kind, or none: numbers and codes
NAMES = {  # of every language that the guess knows, by its ISO 639-1 code
    code: name
    for code, _, name in (
        pair.partition(":")
        for pair in (
            "ar:arabic bg:bulgarian bn:bengali ca:catalan cs:czech da:danish de:german el:greek en:english es:spanish "
            "et:estonian fa:persian fi:finnish fr:french ga:irish gl:galician gu:gujarati he:hebrew hi:hindi "
            "hr:croatian hu:hungarian hy:armenian id:indonesian is:icelandic it:italian ja:japanese ka:georgian "
            "kk:kazakh km:khmer ko:korean lo:lao lt:lithuanian lv:latvian mk:macedonian mn:mongolian mr:marathi "
            "ms:malay ne:nepali nl:dutch no:norwegian pa:punjabi pl:polish pt:portuguese ro:romanian ru:russian "
            "sk:slovak sl:slovenian sq:albanian sr:serbian sv:swedish sw:swahili ta:tamil te:telugu th:thai tl:tagalog "
            "tr:turkish uk:ukrainian ur:urdu uz:uzbek vi:vietnamese zh:chinese"
        ).split()
    )
}
LANGUAGES = frozenset((*NAMES.values(), MIXED))
_USUAL = {"CYRILLIC": "russian", "ARABIC": "arabic", "DEVANAGARI": "hindi"}  # of a script, where a guess is not sure
_HAN = re.compile(r"[㐀-鿿]")
_UNSPACED = re.compile(r"[㐀-鿿぀-ヿ]")
_WORD = re.compile(r"[^\W㐀-鿿぀-ヿ]+")


def kinds_of(question: EvalQuery) -> tuple[str, ...]:
    """Such as ("english", "short")."""
    unspaced, words = len(_UNSPACED.findall(question.text)), len(_WORD.findall(question.text))
    return _language(question.text, words), "short" if words + unspaced / 2 <= SHORT else "long"


def merged(kinds: Sequence[Sequence[str]], least: int) -> list[tuple[str, ...]]:
    """The same kinds, with every language of fewer than `least` questions as `OTHER`: together they may be enough."""
    counts = Counter(name for names in kinds for name in names)
    rare = {name for name in LANGUAGES if counts[name] < least}
    return [tuple(OTHER if name in rare else name for name in names) for names in kinds]


def _language(text: str, words: int) -> str:
    code, han = detect_language(text), len(_HAN.findall(text))
    if han and code not in ("ja", "ko"):  # what is said in few characters of Chinese is a question of its kind
        return MIXED if words > han else CHINESE
    if code:
        return NAMES.get(code, OTHER)
    scripts = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    return _USUAL.get(max(scripts, key=lambda name: scripts[name]), OTHER) if scripts else OTHER
