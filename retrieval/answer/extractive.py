"""The default generator: sentences of the passages themselves, or a refusal where nothing supports an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from retrieval.analysis.folding import HAN
from retrieval.answer import weights
from retrieval.answer.evidence import Evidence, gather
from retrieval.answer.question import Tokens, content_tokens, read_question, topic_words
from retrieval.answer.selection import Stretch, choose, citation_of, render, stretches
from retrieval.answer.small_talk import reply_to
from retrieval.answer.support import confidence, score_sentences
from retrieval.answer.types import Answer, AnswerEvent, AnswerPiece, Ask, CitationEvent, FinalAnswer
from retrieval.contracts import Encoder


class ExtractiveGenerator:
    """Answers with the sentences that answer, `[n]` after each, or refuses below `refuse_below` (probability)."""

    name = "extractive"

    def __init__(
        self,
        encoder: Encoder,
        analyzer: Tokens,
        refuse_below: float = weights.REFUSE_BELOW,
    ) -> None:
        self._encoder = encoder
        self._analyzer = analyzer
        self._refuse_below = refuse_below

    def stream(self, ask: Ask, first_number: int = 1) -> Iterator[AnswerEvent]:
        """Pieces and citations in reading order, then the answer; citations are numbered from `first_number`."""
        evidence = self.evidence(ask)
        scores = score_sentences(evidence)
        sure = confidence(evidence, scores)
        if sure < self._refuse_below or not len(scores):
            reason = why_refused(evidence, sure, self._refuse_below, self._analyzer.tokens)
            yield from refusal(ask.put, reason, sure, self.name)
            return
        yield from self._say(evidence, stretches(choose(evidence, scores)), sure, first_number)

    def close(self) -> None:
        """Nothing to release."""

    def evidence(self, ask: Ask) -> Evidence:
        """The candidate sentences with their features."""
        question = read_question(ask.question, self._analyzer)
        own = content_tokens(ask.put, self._analyzer) if ask.put != ask.question else frozenset()
        return gather(question, ask.passages, self._encoder, self._analyzer, ask.statistics, own)

    def confidence(self, ask: Ask) -> float:
        """Probability, 0 to 1, that sentences of the passages answer."""
        evidence = self.evidence(ask)
        return confidence(evidence, score_sentences(evidence))

    def _say(self, evidence: Evidence, parts: Sequence[Stretch], sure: float, first: int) -> Iterator[AnswerEvent]:
        text, citations = "", []
        for number, part in enumerate(parts, start=first):
            piece = (separator(text) if text else "") + render(part, number, evidence)
            citations.append(citation_of(number, part, evidence))
            text += piece
            yield AnswerPiece(piece)
            yield CitationEvent(citations[-1])
        yield FinalAnswer(Answer(text, tuple(citations), sure, generator=self.name))


def separator(text: str) -> str:
    """What stands between two stretches: a line break after rows and list items, else a space."""
    return "\n" if "\n" in text else " "


def refusal(question: str, reason: str, sure: float, generator: str) -> Iterator[AnswerEvent]:
    """The events of an answer that refuses, in the question's language."""
    text = refusal_text(question)
    yield AnswerPiece(text)
    yield FinalAnswer(Answer(text, (), sure, True, reason, generator))


def refusal_text(question: str) -> str:
    """What a reader sees instead of an answer; a greeting is greeted."""
    if reply := reply_to(question):
        return reply
    if HAN.search(question):
        return "知识库中没有找到能够支持回答这个问题的内容。"
    return "The knowledge base holds nothing that supports an answer to this question."


def why_refused(evidence: Evidence, sure: float, refuse_below: float, tokens: Callable[[str], Sequence[str]]) -> str:
    """One sentence for the answer's `reason`."""
    if not evidence.candidates:
        return "no passage was found"
    if not evidence.question.terms:
        return "the question names no topic"
    held = frozenset[str]().union(*evidence.passage_tokens)
    missing = [word for word in topic_words(evidence.question.text) if not held.intersection(tokens(word))]
    absent = f"; not in any passage: {', '.join(missing[:6])}" if missing else ""
    return f"confidence {sure:.2f} is below {refuse_below:.2f}{absent}"
