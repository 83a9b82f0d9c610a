"""Mistyped words of a query: each is replaced by a word, one slip of the keyboard away, that the caller's chunks hold.

Only a word that no chunk within the caller's rights holds is looked at, and what replaces it is read from the text of
one of them: a correction tells nothing of what others may read. The candidates are made, not looked up, by undoing
every slip of one letter, for the index holds stems: a slip in an ending changes a stem by more than a letter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from retrieval.analysis.analyzer import STOP_WORDS, Analyzer
from retrieval.analysis.folding import fold
from retrieval.contracts import Allowed, Lexicon, Scope, WordView

MIN_LETTERS = 5  # of a word that is corrected; shorter ones are a letter away from too many others
MAX_UNKNOWN = 2  # words of a query; more are another language, or text of another kind
COUNTED = 100  # chunks of the caller's that a candidate is counted in, at most
MAX_TRIED = 8  # candidates whose chunks are read
CHUNKS_READ = 10  # of a candidate
MAX_LOOKED_AT = 1_000  # characters of a query; longer is text that was pasted
LETTERS = "abcdefghijklmnopqrstuvwxyz"

_RUN = re.compile(r"\S+")
_CODE = re.compile(r"[\d_@/\\:=#&+*<>]|\w[.]\w")
_DOUBLE = re.compile(r"(.)\1")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]{5,}+(?!['’]t)")  # not: weren't

Texts = Callable[[Sequence[int]], Sequence[str]]  # labels -> what those of the chunks say that the caller may read


@dataclass(frozen=True, slots=True)
class Correction:
    """A word as it was typed, and the word as the documents write it that was searched for instead."""

    typed: str
    meant: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that this caller's chunks hold: `allowed`, which `scope` says in words, are all that he may see."""

    words: WordView
    analyzer: Analyzer
    texts: Texts
    allowed: Allowed = None
    scope: Scope | None = None
    lexicon: Lexicon | None = None  # what else knows words

    def unheld(self, words: Sequence[str]) -> list[str]:
        """Those of the words that no chunk has in any form."""
        tokens = {word: (self.analyzer.tokens(word) or [""])[0] for word in words}
        counts = self.words.frequencies(list(dict.fromkeys(tokens.values())))
        return [word for word, token in tokens.items() if not counts[token] or not self._may_see(word)]

    def frequencies(self, stems: Mapping[str, str]) -> dict[str, int]:
        """Stem -> chunks that hold it, at most `COUNTED` where not all are the caller's; those that none holds lack.

        `stems`: each with a word that has it.
        """
        found = {stem: count for stem, count in self.words.frequencies(list(stems)).items() if count}
        if self.allowed is None:
            return found
        counts = {stem: len(self.words.search(stems[stem], COUNTED, self.allowed, self.scope)) for stem in found}
        return {stem: count for stem, count in counts.items() if count}

    def written(self, word: str) -> Counter[str]:
        """The forms in which some chunks write a word, with how often."""
        labels = self.words.search(word, CHUNKS_READ, self.allowed, self.scope).labels.tolist()
        wanted = frozenset(self.analyzer.tokens(word))
        forms: Counter[str] = Counter()
        for text in self.texts(labels):
            marked = self.analyzer.spans_of(text, wanted) or self.analyzer.spans(text)  # which see through accents
            forms.update(text[start:end] for token, start, end in marked if token in wanted)
        return forms

    def is_misspelt(self, word: str) -> bool:
        """Whether the lexicon lacks a word, of those that no chunk has."""
        return self.lexicon is None or not self.lexicon.has_word(word)

    def has_form(self, word: str) -> bool:
        """Whether the lexicon has a word, of those that chunks have in another form."""
        return self.lexicon is not None and self.lexicon.has_word(word)

    def _may_see(self, word: str) -> bool:
        return self.allowed is None or bool(len(self.words.search(word, 1, self.allowed, self.scope)))


def suspects(query: str) -> list[tuple[int, int]]:
    """Where words stand that may be mistyped: Latin letters, in no code, address, abbreviation or name of a program."""
    return [] if len(query) > MAX_LOOKED_AT else list(_suspects(query))


def correct(query: str, vocabulary: Vocabulary) -> tuple[Correction, ...]:
    """The query's mistyped words, with what was probably meant."""
    words = [query[start:end] for start, end in suspects(query)]
    return corrections(vocabulary.unheld(words), vocabulary) if words else ()


def corrections(unheld: Sequence[str], vocabulary: Vocabulary) -> tuple[Correction, ...]:
    """For a query's words that the vocabulary lacks, those that were probably meant, where there are such."""
    if len(unheld) > MAX_UNKNOWN:
        return ()
    meant = {word: _meant(fold(word), vocabulary) for word in unheld if vocabulary.is_misspelt(word)}
    return tuple(Correction(word, other) for word, other in meant.items() if other is not None)


def corrected(query: str, found: Sequence[Correction]) -> str:
    """The query with these words replaced."""
    meant = {one.typed: one.meant for one in found}
    for start, end in reversed(suspects(query)):  # from the end: what stands before keeps its place
        query = query[:start] + meant.get(query[start:end], query[start:end]) + query[end:]
    return query


def slips(word: str) -> set[str]:
    """The words from which this one comes by one slip after the first letter: swapped, left out, added or another."""
    found: set[str] = set()
    for at in range(1, len(word) + 1):
        before, after = word[:at], word[at:]
        found.update(before + letter + after for letter in LETTERS)
        if after:
            found.add(before + after[1:])
            found.update(before + letter + after[1:] for letter in LETTERS)
        if len(after) > 1:
            found.add(before + after[1] + after[0] + after[2:])
    found.discard(word)
    return found


def _suspects(query: str) -> Iterator[tuple[int, int]]:
    shouts = query.isupper()
    for run in _RUN.finditer(query):
        if run.end() - run.start() < MIN_LETTERS or _CODE.search(run[0]):
            continue
        for found in _LATIN.finditer(run[0]):
            word = found[0]
            if (shouts or word[1:].islower()) and word.lower() not in STOP_WORDS:
                yield run.start() + found.start(), run.start() + found.end()


def _meant(typed: str, vocabulary: Vocabulary) -> str | None:
    """The most common word that is one slip away, those first from which it came by a likely one; None where none is.

    Where the caller's chunks write such a word in another form only: the word if the lexicon has it, else its singular
    or plural.
    """
    near: dict[str, list[str]] = {}
    for word, stem in vocabulary.analyzer.stems(sorted(slips(typed))).items():
        near.setdefault(stem, []).append(word)
    counts = vocabulary.frequencies({stem: words[0] for stem, words in near.items()})
    inflected: str | None = None
    for stem in sorted(counts, key=lambda one: (not _is_likely(typed, near[one]), -counts[one], one))[:MAX_TRIED]:
        forms = vocabulary.written(near[stem][0])
        exact = [form for form in forms if fold(form) in near[stem]]
        if exact:
            return min(exact, key=lambda form: (-forms[form], form))
        if forms and inflected is None:
            inflected = next((word for word in near[stem] if vocabulary.has_form(word)), None)
            numbers = (form for form in sorted(forms) if _is_number_of(fold(form), near[stem]))
            inflected = inflected or next(numbers, None)
    return inflected


def _is_number_of(form: str, words: Sequence[str]) -> bool:
    """Whether the form is the plural of one of the words, or its singular, and no participle (of "divideds")."""
    return (form.endswith("s") and form[:-1] in words) or (form + "s" in words and not form.endswith(("ed", "s")))


def _is_likely(typed: str, words: Sequence[str]) -> bool:
    """Whether two letters of one of the words were swapped, or one was doubled, or a double one was left out."""
    single = _DOUBLE.sub(r"\1", typed)
    return any(sorted(word) == sorted(typed) or _DOUBLE.sub(r"\1", word) == single for word in words)
