"""Generated sentences held against the passages they cite: what stands is cited to its span, the rest dropped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from retrieval.answer.claims import is_opposed
from retrieval.answer.evidence import known_share
from retrieval.answer.numbers import missing_number, numbers_of
from retrieval.answer.question import Tokens, content_tokens
from retrieval.answer.sentences import Span, split_sentences, without_list_mark
from retrieval.answer.types import Citation, Passage, Standing
from retrieval.contracts import Encoder
from retrieval.encoder import cosine_scale

SUPPORTED = 0.55  # least support; see docs/answers.md for what it separates
WINDOW = 2  # a generated sentence may draw on this many neighbouring sentences of a passage

MARK = re.compile(r"[ \t]*[\[【](\d{1,3}(?:\s*[,，、;\-–]\s*\d{1,3})*)[\]】]")
MIN_QUOTE = 8  # characters; shorter ones name something rather than quote it
_QUOTE = re.compile(r"\"([^\"]*)\"|“([^”]*)”|「([^」]*)」|『([^』]*)』")


@dataclass(frozen=True, slots=True)
class GroundedSentence:
    """A sentence with the marks that were verified, and what was dropped and why."""

    text: str
    citations: tuple[Citation, ...]
    problems: tuple[str, ...] = ()
    is_claim: bool = True  # holds content words, so it needs support


@dataclass(slots=True)
class Grounder:
    """Verifies the sentences of one answer, in order; numbers citations 1, 2, 3 … by distinct span."""

    passages: Sequence[Passage]
    encoder: Encoder
    analyzer: Tokens
    standing: Standing = list
    _numbers: dict[tuple[int, Span], int] = field(default_factory=dict)

    def ground(self, sentence: str) -> GroundedSentence:
        """The sentence with its marks replaced by verified ones, or without any."""
        cited = [number for found in MARK.finditer(sentence) for number in mark_numbers(found.group(1))]
        bare = MARK.sub("", sentence)
        problems = [f"[{number}] names no passage" for number in cited if not 1 <= number <= len(self.passages)]
        known = list(dict.fromkeys(number for number in cited if 1 <= number <= len(self.passages)))
        stated = without_list_mark(bare)
        terms = content_tokens(stated, self.analyzer)
        if not terms:
            return GroundedSentence(bare, (), tuple(problems), is_claim=False)
        citations = []
        for number in known or (range(1, len(self.passages) + 1) if not cited else ()):
            span, why_not = self._support(stated, terms, number)
            if span is not None and not self.standing([self.passages[number - 1]]):
                span, why_not = None, "can no longer be read"
            if span is not None:
                citations.append(self._citation(number, span))
            elif cited:
                problems.append(f"[{number}] {why_not}")
            if citations and not cited:
                break  # an unmarked sentence needs one witness
        return GroundedSentence(_with_marks(bare, citations), tuple(citations), tuple(problems))

    def _citation(self, passage_number: int, span: Span) -> Citation:
        number = self._numbers.setdefault((passage_number, span), len(self._numbers) + 1)
        return Citation.of(number, self.passages[passage_number - 1], span.start, span.end)

    def _support(self, sentence: str, terms: frozenset[str], number: int) -> tuple[Span | None, str]:
        """(the span of the passage that supports the sentence, "") or (None, why there is none)."""
        passage = self.passages[number - 1]
        for quote in filter(lambda one: len(one) >= MIN_QUOTE, map("".join, _QUOTE.findall(sentence))):
            if not any(_squeezed(quote) in _squeezed(held) for held in (passage.text, passage.title)):
                return None, f"does not hold the quote {quote[:40]!r}"
        absent = missing_number(sentence, numbers_of(passage.text) | numbers_of(passage.title))
        if absent:
            return None, f"does not hold the number {absent}"
        span, support = self._best_window(sentence, terms, passage)
        if span is None or support < SUPPORTED:
            return None, f"supports it by {support:.2f} only"
        if is_opposed(sentence, passage.text[span.start : span.end], self.analyzer):
            return None, "says the opposite"
        return span, ""

    def _best_window(self, sentence: str, terms: frozenset[str], passage: Passage) -> tuple[Span | None, float]:
        """The shortest stretch of one or two sentences that shares most with the generated one, and its support.

        Those that hold its numbers come first: the same words may stand beside another number elsewhere.
        """
        spans = split_sentences(passage.text)
        windows = [
            Span(spans[i].start, spans[j].end) for i in range(len(spans)) for j in range(i, min(i + WINDOW, len(spans)))
        ]
        if not windows:
            return None, 0.0
        texts = [passage.text[a:b] for a, b in windows]
        title, titled = frozenset(self.analyzer.tokens(passage.title)), numbers_of(passage.title)
        shares = [_share(terms, title | frozenset(self.analyzer.tokens(text))) for text in texts]
        holds = [not missing_number(sentence, titled | numbers_of(text)) for text in texts]
        best = max(range(len(windows)), key=lambda i: (holds[i], round(shares[i], 6), -len(texts[i])))
        return windows[best], self._mixed(shares[best], sentence, texts[best])

    def _mixed(self, share: float, sentence: str, source: str) -> float:
        """Half words, half meaning; words alone in proportion to what the encoder does not know."""
        known = known_share(sentence, self.passages, self.encoder)
        if share >= 1 or known == 0:
            return share
        return (1 - known / 2) * share + known / 2 * cosine_scale.of_statements(self.encoder, sentence, source)


def mark_numbers(inside: str) -> list[int]:
    """The numbers of a mark: `1`, `1, 3` or `2-4`."""
    numbers: list[int] = []
    for part in re.split(r"[,，、;]", inside):
        ends = [int(digits) for digits in re.findall(r"\d+", part)]
        numbers += range(ends[0], min(ends[-1], ends[0] + 20) + 1) if ends[-1] >= ends[0] else ends
    return numbers


def _with_marks(bare: str, citations: Sequence[Citation]) -> str:
    if not citations:
        return bare
    marks = "".join(f"[{number}]" for number in dict.fromkeys(one.number for one in citations))
    trailing = bare[len(bare.rstrip()) :]
    return f"{bare.rstrip()} {marks}{trailing}"


def _share(terms: frozenset[str], tokens: frozenset[str]) -> float:
    return len(terms & tokens) / len(terms)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text).casefold()
