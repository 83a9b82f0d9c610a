"""Answers written by a language model: each sentence verified before it leaves; extractive where the model fails."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from retrieval.answer.extractive import ExtractiveGenerator, refusal
from retrieval.answer.grounding import MARK, GroundedSentence, Grounder
from retrieval.answer.prompt import MAX_PASSAGES, NO_ANSWER, PromptSlots, grounded_messages
from retrieval.answer.question import Tokens
from retrieval.answer.sentences import split_sentences
from retrieval.answer.thoughts import without_thoughts
from retrieval.answer.types import (
    Answer,
    AnswerEvent,
    AnswerPiece,
    Ask,
    Citation,
    CitationEvent,
    FinalAnswer,
    Passage,
)
from retrieval.contracts import ChatModel, Encoder
from retrieval.errors import OutageError

logger = logging.getLogger(__name__)

BEGUN = 12  # characters of the next sentence that make sure that the one before has ended, marks included
_MARKS = re.compile(rf"(?:{MARK.pattern}\s*)+")
_PUNCTUATION = re.compile(r"\W")

_SAYS_NO = re.compile(
    r"\bI (?:do not|don't|cannot|can't|could not|couldn't|am (?:un|not )able to) (?:know|answer|find|determine)\b|"
    r"\b(?:passages?|context|documents?|information|text)\b[^.]{0,40}\b(?:do(?:es)? not|don't|doesn't|did not|no) "
    r"(?:contain|mention|provide|say|state|specify|include|hold|answer)\b|"
    r"无法(?:回答|确定|得知|找到)|不知道|没有(?:提到|提及|找到|相关|足够|包含|说明)|未(?:提到|提及|找到|说明)",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Draft:
    """What has left so far. Nothing leaves before the first statement that a passage bears out."""

    parts: list[tuple[str, tuple[Citation, ...]]] = field(default_factory=list)
    lead: str = ""  # what states nothing, until something is stated
    gap: str = ""  # white space before the next sentence
    problems: list[str] = field(default_factory=list)
    claims: int = 0
    supported: int = 0
    admits: bool = False  # that the passages do not hold the answer

    def add(self, grounded: GroundedSentence, admits: bool) -> Iterator[AnswerEvent]:
        """A sentence of the reply. A statement without a verified source stays out; an admission is no statement."""
        is_supported = bool(grounded.citations)
        is_claim = is_supported or (grounded.is_claim and not admits)
        self.admits = self.admits or (admits and not is_supported)
        self.problems += grounded.problems
        self.claims += is_claim
        self.supported += is_supported
        said = grounded.text.strip()
        before, self.gap = self.gap, grounded.text[len(grounded.text.rstrip()) :]
        if is_claim and not is_supported:
            self.gap = max(before, self.gap, key=len)
            return
        self.lead += (before if self.parts or self.lead else "") + said
        cited = self.citations
        if self.supported:
            self.parts.append((self.lead, grounded.citations))
            yield AnswerPiece(self.lead)
            self.lead = ""
        for citation in grounded.citations:
            if citation.number not in cited:
                cited[citation.number] = citation
                yield CitationEvent(citation)

    def keep(self, standing: Sequence[Passage]) -> bool:
        """Take back what cites other passages than these; whether anything did."""
        chunks = {passage.chunk_id for passage in standing}
        kept = [part for part in self.parts if chunks.issuperset(one.chunk_id for one in part[1])]
        lost = len(self.parts) - len(kept)
        if lost:
            self.supported, self.claims = self.supported - lost, self.claims - lost
            self.parts = kept if self.supported else []
            self.problems.append("a cited passage was deleted meanwhile, or may no longer be read")
        return lost > 0

    @property
    def text(self) -> str:
        return "".join(said for said, _ in self.parts).lstrip()

    @property
    def citations(self) -> dict[int, Citation]:
        return {one.number: one for _, citations in self.parts for one in citations}

    @property
    def quotes(self) -> set[str]:
        return {citation.quote for citation in self.citations.values()}

    @property
    def support(self) -> float:
        return self.supported / self.claims if self.claims else 0.0


class _ModelFailedError(Exception):
    """The model gave no reply, or broke off."""


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
        may_open_thinking: bool = False,
    ) -> None:
        self._model = model
        self._on_close = on_close
        self._slots = slots or PromptSlots()
        self._encoder = encoder
        self._analyzer = analyzer
        self._extractive = ExtractiveGenerator(encoder, analyzer)
        self._opens_thinking = may_open_thinking  # whether the endpoint's chat template does; a guess, until shown
        self._is_shown = False  # by a reply

    def stream(self, ask: Ask) -> Iterator[AnswerEvent]:
        """Verified sentences and citations, then the answer; a refusal where the model says that it has none.

        Where the template opens the thoughts, nothing leaves before they have ended, or the reply. It is known from the
        first reply on; of the thoughts of this one statements may have left, unless they were expected
        (`may_open_thinking`): the answer does not hold them. Nor does the answer hold statements whose passage was
        deleted, or forbidden, before the model came to its end; it alone follows then.
        """
        if not ask.passages:
            yield from refusal(ask.put, "no passage was found", 0.0, self.name)
            return
        draft, failure = yield from self._write(ask)
        ask = replace(ask, passages=ask.standing(ask.passages))
        is_corrected = draft.keep(ask.passages)
        for event in self._ended(ask, draft, failure):
            if not is_corrected or isinstance(event, FinalAnswer):
                yield event

    def _ended(self, ask: Ask, draft: _Draft, failure: str) -> Iterator[AnswerEvent]:
        """What follows the model's last words."""
        if failure:
            logger.warning("%s; answering extractively", failure)
            yield from self._fall_back(ask, draft, failure)
        elif draft.supported:
            yield FinalAnswer(self._written(ask, draft))
        elif draft.admits:
            reason = "; ".join(["the model found no answer in the passages", *draft.problems])
            yield from refusal(ask.put, reason, 0.0, self.name)
        else:
            yield from self._fall_back(ask, draft, "no statement of the model's reply has a verified source")

    def close(self) -> None:
        """Release what the model holds, its connections for instance."""
        self._on_close()

    def _write(self, ask: Ask) -> Generator[AnswerEvent, None, tuple[_Draft, str]]:
        """Sentences as they become complete; gives what was written and what failed, "" where nothing did.

        After `NO_ANSWER` nothing counts, but it is read on: this may have been a thought.
        """
        draft, grounder, has_ended = _Draft(), self._grounder(ask), False
        pieces = self._pieces(ask)
        try:
            for sentence in sentences_of(without_thoughts(pieces, self._opens_thinking)):
                if sentence is None:
                    self._opens_thinking = self._is_shown = True
                    draft, grounder, has_ended = _Draft(), self._grounder(ask), False
                elif not has_ended and NO_ANSWER in sentence:
                    draft.admits = True
                    has_ended = _PUNCTUATION.sub("", MARK.sub("", sentence)).strip("_") == NO_ANSWER
                elif not has_ended and self._is_admission(ask, sentence):
                    yield from draft.add(GroundedSentence(sentence, (), is_claim=False), admits=True)
                elif not has_ended:
                    yield from draft.add(grounder.ground(sentence), admits=False)
        except _ModelFailedError as error:
            return draft, "" if has_ended else str(error)
        self._opens_thinking = self._is_shown  # a whole reply shows that it does not, too
        return draft, ""

    def _pieces(self, ask: Ask) -> Iterator[str]:
        """The model's words. The catalog is asked while they come: its outage is not to be taken for the model's."""
        try:
            yield from self._model.stream(grounded_messages(ask.question, ask.passages, ask.history, self._slots))
        except OutageError as error:
            raise _ModelFailedError(str(error)) from error

    def _is_admission(self, ask: Ask, sentence: str) -> bool:
        """Whether the sentence says that there is no answer, and repeats no passage that says such a thing itself."""
        if not admits(sentence):
            return False
        witnesses = self._grounder(ask).ground(sentence).citations  # of its own, as each citation takes a number
        return not any(_SAYS_NO.search(one.quote) for one in witnesses)

    def _grounder(self, ask: Ask) -> Grounder:
        return Grounder(ask.passages[:MAX_PASSAGES], self._encoder, self._analyzer, ask.standing)

    def _written(self, ask: Ask, draft: _Draft, degraded: str = "") -> Answer:
        """Confidence is that of the evidence, times the share of statements that their passages bear out."""
        sure = self._extractive.confidence(ask) * draft.support
        left_out = draft.claims - draft.supported
        problems = [f"left out {left_out} of {draft.claims} statements, which have no verified source"]
        reason = "; ".join((problems if left_out else []) + draft.problems)
        return Answer(draft.text, tuple(draft.citations.values()), sure, False, reason, self.name, degraded)

    def _fall_back(self, ask: Ask, draft: _Draft, failure: str) -> Iterator[AnswerEvent]:
        """The extractive answer, after what had left already; its citations are numbered on."""
        *events, last = self._extractive.stream(ask, first_number=max(draft.citations, default=0) + 1)
        assert isinstance(last, FinalAnswer)  # the contract of a generator
        if not draft.text:
            yield from events
            reason = "; ".join(filter(None, [last.answer.reason, *draft.problems]))
            yield FinalAnswer(replace(last.answer, reason=reason, degraded=f"{failure}; answered extractively"))
        elif last.answer.refused or draft.quotes >= {citation.quote for citation in last.answer.citations}:
            yield FinalAnswer(self._written(ask, draft, f"{failure}; the answer is what the model had written"))
        else:
            lead = "\n\n"
            for event in events:
                yield AnswerPiece(lead + event.text) if isinstance(event, AnswerPiece) else event
                lead = "" if isinstance(event, AnswerPiece) else lead
            yield FinalAnswer(_joined(draft, last.answer, failure))


def _joined(draft: _Draft, rest: Answer, failure: str) -> Answer:
    return replace(
        rest,
        text=f"{draft.text}\n\n{rest.text}",
        citations=(*draft.citations.values(), *rest.citations),
        reason="; ".join(draft.problems),
        degraded=f"{failure}; continued extractively after what the model had written",
    )


def admits(sentence: str) -> bool:
    """Whether the sentence, without a mark, says that there is no answer."""
    return _SAYS_NO.search(sentence) is not None and MARK.search(sentence) is None


def sentences_of(pieces: Iterable[str | None]) -> Iterator[str | None]:
    """Complete sentences with their marks and the white space after them, as soon as the next one has begun.

    None goes through, and drops the sentence that it interrupts.
    """
    pending = ""
    for piece in pieces:
        if piece is None:
            yield None
        pending = "" if piece is None else pending + piece
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
