"""Answers written by a language model: each sentence verified before it leaves; extractive where the model fails."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace

from retrieval.answer.extractive import ExtractiveGenerator, refusal
from retrieval.answer.grounding import MARK, GroundedSentence, Grounder
from retrieval.answer.prompt import MAX_PASSAGES, NO_ANSWER, PromptSlots, grounded_messages
from retrieval.answer.question import Tokens
from retrieval.answer.sentences import split_sentences
from retrieval.answer.types import Answer, AnswerEvent, AnswerPiece, Ask, Citation, CitationEvent, FinalAnswer
from retrieval.contracts import Encoder
from retrieval.contracts import Generator as ChatModel
from retrieval.errors import OutageError

logger = logging.getLogger(__name__)

BEGUN = 12  # characters of the next sentence that make sure that the one before has ended, marks included
_MARKS = re.compile(rf"(?:{MARK.pattern}\s*)+")

_SAYS_NO = re.compile(
    r"\bI (?:do not|don't|cannot|can't|could not|couldn't|am (?:un|not )able to) (?:know|answer|find|determine)\b|"
    r"\b(?:passages?|context|documents?|information|text)\b[^.]{0,40}\b(?:do(?:es)? not|don't|doesn't|did not|no) "
    r"(?:contain|mention|provide|say|state|specify|include|hold|answer)\b|"
    r"无法(?:回答|确定|得知|找到)|不知道|没有(?:提到|提及|找到|相关|足够|包含|说明)|未(?:提到|提及|找到|说明)",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Draft:
    """What has left so far."""

    text: str = ""
    citations: dict[int, Citation] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    claims: int = 0
    supported: int = 0

    def add(self, grounded: GroundedSentence) -> Iterator[AnswerEvent]:
        self.text += grounded.text
        self.problems += grounded.problems
        self.claims += grounded.is_claim
        self.supported += bool(grounded.citations)
        yield AnswerPiece(grounded.text)
        for citation in grounded.citations:
            if citation.number not in self.citations:
                self.citations[citation.number] = citation
                yield CitationEvent(citation)

    @property
    def support(self) -> float:
        return self.supported / self.claims if self.claims else 0.0


class LanguageModelGenerator:
    """Writes with a chat model. Sentences leave one at a time, with the citations that their passages bear out."""

    name = "openai"

    def __init__(
        self,
        model: ChatModel,
        encoder: Encoder,
        analyzer: Tokens,
        on_close: Callable[[], None] = lambda: None,
        slots: PromptSlots | None = None,
    ) -> None:
        self._model = model
        self._on_close = on_close
        self._slots = slots or PromptSlots()
        self._encoder = encoder
        self._analyzer = analyzer
        self._extractive = ExtractiveGenerator(encoder, analyzer)

    def stream(self, ask: Ask) -> Iterator[AnswerEvent]:
        """Verified sentences and citations, then the answer; a refusal where the model says that it has none."""
        if not ask.passages:
            yield from refusal(ask.question, "no passage was found", 0.0, self.name)
            return
        draft = _Draft()
        try:
            refused = yield from self._write(ask, draft)
        except OutageError as error:
            logger.warning("%s; answering extractively", error)
            yield from self._fall_back(ask, draft, str(error))
            return
        if refused:
            yield from refusal(ask.question, "the model found no answer in the passages", 0.0, self.name)
            return
        yield self._final(ask, draft)

    def close(self) -> None:
        """Release what the model holds, its connections for instance."""
        self._on_close()

    def _write(self, ask: Ask, draft: _Draft) -> Generator[AnswerEvent, None, bool]:
        """Sentences as they become complete. Returns whether the model refused; raises `OutageError`."""
        grounder = Grounder(ask.passages[:MAX_PASSAGES], self._encoder, self._analyzer)
        pieces = self._model.stream(grounded_messages(ask.question, ask.passages, ask.history, self._slots))
        for sentence in sentences_of(pieces):
            if not draft.text and says_no(sentence):
                return True
            yield from draft.add(grounder.ground(sentence))
        return False

    def _final(self, ask: Ask, draft: _Draft) -> FinalAnswer:
        """Confidence is that of the evidence, times the share of statements that their passages bear out."""
        sure = self._extractive.confidence(ask) * draft.support
        problems = [f"{draft.claims - draft.supported} of {draft.claims} statements have no verified source"]
        reason = "; ".join((problems if draft.supported < draft.claims else []) + draft.problems)
        return FinalAnswer(Answer(draft.text, tuple(draft.citations.values()), sure, False, reason, self.name))

    def _fall_back(self, ask: Ask, draft: _Draft, failure: str) -> Iterator[AnswerEvent]:
        """The extractive answer, after what had left already; its citations are numbered on."""
        said = "answered extractively" if not draft.text else "continued extractively after what the model had written"
        lead = "\n\n" if draft.text else ""
        for event in self._extractive.stream(ask, first_number=len(draft.citations) + 1):
            if isinstance(event, AnswerPiece):
                yield AnswerPiece(lead + event.text)
                lead = ""
            elif isinstance(event, CitationEvent):
                yield event
            else:
                yield FinalAnswer(_joined(draft, event.answer, f"{failure}; {said}"))


def _joined(draft: _Draft, rest: Answer, degraded: str) -> Answer:
    if not draft.text:
        return replace(rest, degraded=degraded)
    citations = (*draft.citations.values(), *rest.citations)
    return replace(rest, text=f"{draft.text}\n\n{rest.text}", citations=citations, refused=False, degraded=degraded)


def says_no(sentence: str) -> bool:
    """Whether the model declines to answer: the agreed word, or a plain admission without a mark."""
    return NO_ANSWER in sentence or (_SAYS_NO.search(sentence) is not None and MARK.search(sentence) is None)


def sentences_of(pieces: Iterable[str]) -> Iterator[str]:
    """Complete sentences with their marks and the white space after them, as soon as the next one has begun."""
    pending = ""
    for piece in pieces:
        pending += piece
        while end := _first_end(pending):
            yield pending[:end]
            pending = pending[end:]
    while pending.strip():
        end = _first_end(pending, certain=True) or len(pending)
        yield pending[:end].rstrip() if end == len(pending) else pending[:end]
        pending = pending[end:]


def _first_end(text: str, certain: bool = False) -> int:
    """Where the second sentence begins; 0 until it surely has. Marks after a full stop belong to what they follow."""
    spans = split_sentences(text)
    if len(spans) < 2:
        return 0
    marks = _MARKS.match(text, spans[1].start)
    end = marks.end() if marks else spans[1].start
    rest = text[end:].strip()
    return end if certain or (len(rest) >= BEGUN and rest[0] not in "[【") else 0
