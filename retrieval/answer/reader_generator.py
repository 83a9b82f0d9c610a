"""The generator behind a span reader: the answering words, cited to the sentence they stand in, or a refusal.

Questions for a reason or a way of doing are answered by whole sentences, which a span of a few words cannot replace:
they go to the sentence picker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from infra.wording import counted
from retrieval.answer.extractive import ExtractiveGenerator, refusal
from retrieval.answer.question import Kind, Tokens, question_kind
from retrieval.answer.reader import OnnxReader, Reader, Reading
from retrieval.answer.sentences import split_sentences
from retrieval.answer.types import Answer, AnswerEvent, AnswerPiece, Ask, Citation, CitationEvent, FinalAnswer, Passage
from retrieval.contracts import Encoder

READ_PASSAGES = 5  # the best ones; each costs a run of the model
EXPLAINED = frozenset({Kind.REASON, Kind.METHOD})  # kinds of question that sentences answer


class ReaderGenerator:
    """Answers with a piece of a passage, `[1]` after it, or refuses where the reader finds none."""

    name = "reader"

    def __init__(self, reader: Reader, encoder: Encoder, analyzer: Tokens) -> None:
        self._reader = reader
        self._sentences = ExtractiveGenerator(encoder, analyzer)

    @classmethod
    def of_folder(cls, encoder: Encoder, analyzer: Tokens, folder: Path, threads: int = 0) -> ReaderGenerator:
        """Behind the reader of a folder. Raises `ReaderError`."""
        return cls(OnnxReader(folder, threads), encoder, analyzer)

    def stream(self, ask: Ask) -> Iterator[AnswerEvent]:
        """The piece and its citation, then the answer; or the events of a refusal."""
        if question_kind(ask.question) in EXPLAINED:
            yield from (_renamed(event, self.name) for event in self._sentences.stream(ask))
            return
        passages = ask.passages[:READ_PASSAGES]
        readings = self._reader.read(ask.question, [passage.text for passage in passages])
        if not readings:
            yield from refusal(ask.put, "no passage was found", 0.0, self.name)
            return
        passage, best = max(zip(passages, readings, strict=True), key=lambda pair: pair[1].margin)
        if not best.answers:
            reason = (
                f"the reader found no answer in {counted(len(passages), 'passage')} (confidence {best.confidence:.2f})"
            )
            yield from refusal(ask.put, reason, best.confidence, self.name)
            return
        yield from self._say(passage, best)

    def close(self) -> None:
        """Release the reader."""
        self._reader.close()

    def _say(self, passage: Passage, reading: Reading) -> Iterator[AnswerEvent]:
        words = " ".join(passage.text[reading.start : reading.end].split())
        citation = sentence_of(passage, reading)
        text = f"{words} [{citation.number}]"
        yield AnswerPiece(text)
        yield CitationEvent(citation)
        yield FinalAnswer(Answer(text, (citation,), reading.confidence, generator=self.name))


def sentence_of(passage: Passage, reading: Reading) -> Citation:
    """The sentence around a reading, or the sentences where it reaches over their borders."""
    around = [span for span in split_sentences(passage.text) if span.start < reading.end and span.end > reading.start]
    start = min([reading.start, *(span.start for span in around)])
    end = max([reading.end, *(span.end for span in around)])
    return Citation.of(1, passage, start, end)


def _renamed(event: AnswerEvent, name: str) -> AnswerEvent:
    return FinalAnswer(replace(event.answer, generator=name)) if isinstance(event, FinalAnswer) else event
