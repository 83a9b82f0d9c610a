"""Which language a text is in: the script decides where it can, a character n-gram model where several share one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_SAMPLE = 1_000  # characters read; more does not change the answer
_ENOUGH_LETTERS = 3  # Latin letters below which nothing can be said
_SURE = 0.6  # probability below which a short text is taken for English, or unknown if it shows other letters
_SHORT = 60  # letters up to which the model's surest answer may still be chance
_KANA_SHARE = 0.12  # of the East Asian letters; Chinese text quotes single kana, Japanese cannot do without
_EAST_ASIAN_SHARE = 0.3  # of all letters, each East Asian one counting for a word's worth
_LETTERS_PER_SYLLABLE = 2.5  # one Han character says about what this many Latin letters say

_CODE = re.compile(r"[a-z]{2}")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile(r"[\u3041-\u30fa\uff66-\uff9d]")
_HANGUL = re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")
_NOISE = re.compile(  # addresses and codes speak no language
    r"https?://\S+|(?<![A-Za-z0-9])(?:[A-Za-z0-9._+-]{1,64}@\S+|[A-Za-z_-]*\d[A-Za-z0-9_-]*)|`[^`\n]*`"
)
_WORD = re.compile(r"[a-z']+")
_ENGLISH = frozenset(
    "the of and to is that for with was are this it from by which be not or were have has been will you your"
    " their they we our can should would if when how what".split()
)
_ENGLISH_SHARE = 0.15  # of the words; texts in other languages stay below 0.05 with these
_ENGLISH_WORDS = 12  # words from which on the share is no chance
# What the model chooses from. Among its full list, codes and names come out as languages few documents are in.
_LANGUAGES = (
    "ar bg bn ca cs da de en es et fa fi fr ga gl gu hi hr hu id is it kk lt lv mk mn mr ms ne nl no pa pl pt ro ru"
    " sk sl sq sr sv sw ta te tl tr uk ur uz vi"
).split()
_SINGLE = {  # scripts that, in documents, stand for one language
    "th": re.compile(r"[\u0e00-\u0e7f]"),
    "el": re.compile(r"[\u0370-\u03ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "hy": re.compile(r"[\u0530-\u058f]"),
    "ka": re.compile(r"[\u10a0-\u10ff]"),
    "km": re.compile(r"[\u1780-\u17ff]"),
    "lo": re.compile(r"[\u0e80-\u0eff]"),
    "ta": re.compile(r"[\u0b80-\u0bff]"),
}
LANGUAGES = (*_LANGUAGES, "ja", "ko", "zh", *(code for code in _SINGLE if code not in _LANGUAGES))  # that are told


def language_code(name: str) -> str:
    """The ISO 639-1 code that a source gives as `EN` or `en-US`; "" for other names: then the text itself tells."""
    code = name.strip().lower().replace("_", "-").partition("-")[0]
    return code if _CODE.fullmatch(code) else ""


def detect_language(text: str) -> str:
    """The ISO 639-1 code of the main language, "" when the text does not tell (numbers, codes, a name)."""
    sample = _NOISE.sub(" ", _sample(text))
    if sample.isascii() and _is_plainly_english(sample):  # the most common case, without counting letters
        return "en"
    letters = len(_LETTER.findall(sample))
    if letters == 0:
        return ""
    return _by_script(sample, letters) or _by_model(sample, letters)


def _sample(text: str) -> str:
    """The text, of a long one two stretches within: pages begin with menus, mails with addresses."""
    if len(text) <= 2 * _SAMPLE:
        return text
    half = _SAMPLE // 2
    return " ".join(text[at : at + half] for at in (len(text) // 3, 2 * len(text) // 3))


def _by_script(sample: str, letters: int) -> str:
    if sample.isascii():
        return ""
    han, kana, hangul = (len(pattern.findall(sample)) for pattern in (_HAN, _KANA, _HANGUL))
    east_asian = han + kana + hangul
    others = (letters - east_asian) / _LETTERS_PER_SYLLABLE
    if east_asian and east_asian >= _EAST_ASIAN_SHARE * (east_asian + others):
        if hangul > kana and hangul >= han * 0.5:
            return "ko"
        return "ja" if kana >= _KANA_SHARE * east_asian else "zh"
    for language, pattern in _SINGLE.items():
        if len(pattern.findall(sample)) > letters / 2:
            return language
    return ""


def _by_model(sample: str, letters: int) -> str:
    if letters < _ENOUGH_LETTERS:
        return ""
    if _is_plainly_english(sample):
        return "en"
    language, probability = _identifier().classify(sample)
    if letters > _SHORT or probability >= _SURE:
        return str(language)
    return "en" if all(map(str.isascii, _LETTER.findall(sample))) else ""


def _is_plainly_english(sample: str) -> bool:
    """Whether function words already tell; thirty times quicker than the model."""
    words = _WORD.findall(sample.lower())
    return len(words) >= _ENGLISH_WORDS and sum(word in _ENGLISH for word in words) >= _ENGLISH_SHARE * len(words)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LANGUAGES)
    return identifier
