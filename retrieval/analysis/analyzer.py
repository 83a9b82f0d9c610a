"""Text to tokens, once for every engine: they index what comes out of here with a plain whitespace analyzer.

Text is folded (width, case, accents, traditional Chinese), then: English words are stemmed; product codes, numbers and
identifiers stay whole and come in parts (`AX-1200` -> `ax-1200`, `ax`, `1200`); runs of Han, Kana, Hangul and Thai
become bigrams (a run of one character stays one). Words of the user dictionary and synonyms add a token of their own.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import chain
from threading import local

import Stemmer

from retrieval.analysis.folding import fold, fold_with_origins

ANALYZER_VERSION = 1  # raise it with any change of tokens: views built before are then rebuilt
MAX_TOKEN_LENGTH = 64  # characters; longer runs are encoded data, cut so that they cannot fill the index
MEMO_SIZE = 50_000  # distinct words remembered, about 10 MB

# Lucene's classic English stop words: frequent and without meaning of their own
STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these "
    "they this to was will with".split()
)

_NO_SPACE_SCRIPTS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u3130-\u318f\u31f0-\u31ff"  # Kana, Bopomofo, Jamo
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"  # Han, Hangul
)
_RUN = re.compile(
    rf"[{_NO_SPACE_SCRIPTS}]+"
    rf"|(?:(?![{_NO_SPACE_SCRIPTS}])[^\W_])+(?:[-_.,'’](?:(?![{_NO_SPACE_SCRIPTS}])[^\W_])+|_+)*"
)
_ASCII_RUN = re.compile(r"[a-z0-9]+(?:[-_.,'][a-z0-9]+|_+)*")
_IS_NO_SPACE = re.compile(rf"[{_NO_SPACE_SCRIPTS}]")
_PART = re.compile(r"[^\W\d_]+|\d+")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_HAS_DIGIT = re.compile(r"\d")

Piece = tuple[str, int, int]  # token, start and end inside its run


MIN_ROOT_LENGTH = 2  # letters; shorter stems are looked for whole


class Analyzer:
    """Tokens of texts and queries. Immutable and safe to share between threads.

    `dictionary` lists words to keep whole beside their bigrams; each group of `synonyms` becomes one token;
    groups that share a word are one.
    """

    def __init__(self, dictionary: Sequence[str] = (), synonyms: Sequence[Sequence[str]] = ()) -> None:
        self._stemmers = local()
        self._memo: dict[str, tuple[str, ...]] = {}
        self._phrases = _phrase_tokens(dictionary, synonyms)
        self._phrase_pattern = _phrase_pattern(self._phrases)
        self.fingerprint = _fingerprint(self._phrases)

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text, in order, repeated as often as they occur."""
        folded = fold(text)
        pattern = _ASCII_RUN if folded.isascii() else _RUN
        memo = self._memo
        tokens: list[str] = []
        for run in pattern.findall(folded):
            known = memo.get(run)
            tokens.extend(self._remember(run) if known is None else known)
        if self._phrase_pattern is not None:
            tokens.extend(self._phrases[match[0]] for match in self._phrase_pattern.finditer(folded))
        return tokens

    def query_tokens(self, text: str) -> list[str]:
        """The tokens to search with: those of the text without stop words, unless nothing else is left."""
        tokens = self.tokens(text)
        return [token for token in tokens if token not in STOP_WORDS] or tokens

    def stems(self, words: Iterable[str]) -> dict[str, str]:
        """The stem of each of these folded words; none of them is remembered."""
        return {word: self._stem(word) for word in words}

    def spans(self, text: str) -> list[tuple[str, int, int]]:
        """(token, start, end) with `text[start:end]` the characters it came from, by rising start."""
        return self._spans(text, None)

    def spans_of(self, text: str, wanted: frozenset[str]) -> list[tuple[str, int, int]]:
        """The spans of these tokens only: many times as fast as all of them where few occur."""
        roots = None if self._phrase_pattern is not None else _roots(wanted)
        if roots is not None and len(lowered := text.lower()) == len(text):
            return self._plain_spans(lowered, wanted, roots)
        return self._spans(text, wanted)

    def _plain_spans(self, lowered: str, wanted: frozenset[str], roots: tuple[str, ...]) -> list[tuple[str, int, int]]:
        """The spans of words that begin like a wanted stem: a few searches in the text instead of reading its words.

        A word whose stem begins otherwise (dying, stem die) is not found; search finds it, only its mark is missing.
        """
        found: dict[tuple[int, int], str] = {}
        for root in roots:
            at = lowered.find(root)
            while at >= 0:
                if (at == 0 or not lowered[at - 1].isalnum()) and (match := _ASCII_RUN.match(lowered, at)):
                    word = match[0]
                    tokens = self._memo.get(word) or self._remember(word)
                    if not wanted.isdisjoint(tokens):
                        for token, start, end in ((tokens[0], 0, len(word)),) if word.isalpha() else self._pieces(word):
                            if token in wanted:
                                found[at + start, at + end] = token
                at = lowered.find(root, at + len(root))
        return [(token, start, end) for (start, end), token in sorted(found.items())]

    def _spans(self, text: str, wanted: AbstractSet[str] | None) -> list[tuple[str, int, int]]:
        folded, origins = fold_with_origins(text)
        found = [
            (token, at + start, at + end)
            for run, at in self._runs(folded, wanted)
            for token, start, end in self._pieces(run)
            if wanted is None or token in wanted
        ]
        if self._phrase_pattern is not None:
            phrases = [(self._phrases[m[0]], m.start(), m.end()) for m in self._phrase_pattern.finditer(folded)]
            found += [phrase for phrase in phrases if wanted is None or phrase[0] in wanted]
        spans = [(token, origins[start], _origin_end(origins, end)) for token, start, end in found]
        return sorted(spans, key=lambda span: span[1:])

    def _runs(self, folded: str, wanted: AbstractSet[str] | None) -> Iterator[tuple[str, int]]:
        """Runs that hold a wanted token, and where they start. Between runs stands nothing that can begin one."""
        runs = (_ASCII_RUN if folded.isascii() else _RUN).findall(folded)
        chosen = set(runs)
        if wanted is not None:
            chosen = {run for run in chosen if not wanted.isdisjoint(self._memo.get(run) or self._remember(run))}
        if not chosen:
            return
        at = 0
        for run in runs:
            at = folded.find(run, at)
            if run in chosen:
                yield run, at
            at += len(run)

    def _remember(self, run: str) -> tuple[str, ...]:
        tokens = tuple(token for token, _, _ in self._pieces(run))
        if len(self._memo) >= MEMO_SIZE:
            self._memo = {}  # other threads keep filling the old one, harmlessly
        if len(run) <= MAX_TOKEN_LENGTH:
            self._memo[run] = tokens
        return tokens

    def _pieces(self, run: str) -> Iterator[Piece]:
        if _IS_NO_SPACE.match(run):
            return _bigrams(run)
        if run.isalpha():
            return iter(((self._stem(run), 0, len(run)),))
        return self._compound_pieces(run)

    def _compound_pieces(self, run: str) -> Iterator[Piece]:
        word = run.rstrip("_")
        if _THOUSANDS.fullmatch(word):
            yield word.replace(",", ""), 0, len(word)
            return
        for stretch in re.finditer(r"[^,]+", word):
            yield from self._code_pieces(stretch[0], stretch.start())

    def _code_pieces(self, word: str, offset: int) -> Iterator[Piece]:
        is_code = _HAS_DIGIT.search(word) is not None or "_" in word
        if is_code:
            yield word[:MAX_TOKEN_LENGTH], offset, offset + len(word)
        for part in _PART.finditer(word):
            is_whole_again = is_code and part[0] == word
            if not is_whole_again and not _is_possessive(word, part):
                yield self._stem(part[0]), offset + part.start(), offset + part.end()

    def _stem(self, word: str) -> str:
        if not word.isascii() or word in STOP_WORDS:
            return word[:MAX_TOKEN_LENGTH]
        stemmer = getattr(self._stemmers, "english", None)
        if stemmer is None:  # PyStemmer objects must not be shared between threads
            stemmer = self._stemmers.english = Stemmer.Stemmer("english")
        return str(stemmer.stemWord(word[:MAX_TOKEN_LENGTH]))


@lru_cache(maxsize=256)  # every hit of a search is marked with the same tokens
def _roots(wanted: frozenset[str]) -> tuple[str, ...] | None:
    """What the words of these tokens begin with; None where a token is more than a word of plain letters."""
    if not all(token.isascii() and token.isalpha() for token in wanted):
        return None
    return tuple({_root(token) for token in wanted})


def _root(stem: str) -> str:
    """What every word of the stem begins with: stemming turns a final y into i, and drops what follows."""
    return stem[:-1] if len(stem) > MIN_ROOT_LENGTH else stem


def _bigrams(run: str) -> Iterator[Piece]:
    if len(run) == 1:
        return iter(((run, 0, 1),))
    return ((run[i : i + 2], i, i + 2) for i in range(len(run) - 1))


def _is_possessive(word: str, part: re.Match[str]) -> bool:
    """Whether the part is what follows an apostrophe: the s of it's, the t of don't."""
    return part.start() > 0 and word[part.start() - 1] in "'’" and part.end() - part.start() <= 2


def _origin_end(origins: Sequence[int], end: int) -> int:
    """Where, in the original, the folded text up to `end` ends: characters folded into several stay whole."""
    while end < len(origins) - 1 and origins[end] == origins[end - 1]:
        end += 1
    return origins[end]


def _phrase_tokens(dictionary: Sequence[str], synonyms: Sequence[Sequence[str]]) -> Mapping[str, str]:
    """Folded phrase -> its token. `=` starts no ordinary token, so the two kinds cannot meet."""
    phrases = {fold(word): "=" + "_".join(fold(word).split()) for word in dictionary if word.strip()}
    groups: dict[str, list[str]] = {}  # word -> all that mean the same
    for group in synonyms:
        words = [fold(word) for word in group if word.strip()]
        shared = {id(one): one for word in words if (one := groups.get(word)) is not None}
        whole = [*chain(*shared.values()), *words]
        groups.update(dict.fromkeys(whole, whole))
    phrases.update({word: "=" + "_".join(whole[0].split()) for word, whole in groups.items()})
    return phrases


def _phrase_pattern(phrases: Mapping[str, str]) -> re.Pattern[str] | None:
    if not phrases:
        return None
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    return re.compile("|".join(map(_bounded, longest_first)))


def _bounded(phrase: str) -> str:
    """The phrase as a pattern; a letter or digit of a spaced script at its edge must be the edge of a word."""
    letter = rf"(?:(?![{_NO_SPACE_SCRIPTS}])\w)"
    before = rf"(?<!{letter})" if re.match(letter, phrase) else ""
    after = rf"(?!{letter})" if re.match(letter, phrase[-1]) else ""
    return before + re.escape(phrase) + after


def _fingerprint(phrases: Mapping[str, str]) -> str:
    parts = [ANALYZER_VERSION, Stemmer.version(), unicodedata.unidata_version, sorted(phrases.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
