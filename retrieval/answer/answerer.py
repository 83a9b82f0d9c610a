"""Answering, top to bottom: make the question stand alone, drop empty passages, let the generator answer, hand it out.

The generator cites every statement to an exact span of a passage, or refuses; `generators.py` lists the ones there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from retrieval.answer.condense import standalone_question
from retrieval.answer.generators import GENERATORS, AnswerGenerator
from retrieval.answer.question import Tokens
from retrieval.answer.types import Answer, AnswerEvent, Ask, FinalAnswer, Passage, Standing, TermStatistics, Turn
from retrieval.contracts import Encoder


class Answerer:
    """Answers questions from passages. Safe to share between threads when its generator is (the built-in ones are)."""

    def __init__(self, generator: AnswerGenerator) -> None:
        self.generator = generator

    @classmethod
    def of(cls, name: str, encoder: Encoder, analyzer: Tokens, **options: object) -> Answerer:
        """An answerer with the generator registered under `name`. Raises `RegistryError` where there is none."""
        return cls(GENERATORS.create(name, encoder, analyzer, **options))

    def close(self) -> None:
        """Release the generator's connections."""
        self.generator.close()

    def answer(
        self,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Turn] = (),
        statistics: TermStatistics | None = None,
        standing: Standing = list,
    ) -> Answer:
        """The whole answer. With the collection's `statistics`, rare words weigh more and refusals are surer.

        `standing` as in `Ask`: without it, passages that were deleted meanwhile are quoted.
        """
        return [
            event.answer
            for event in self.stream(question, passages, history, statistics, standing)
            if isinstance(event, FinalAnswer)
        ][-1]

    def stream(
        self,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Turn] = (),
        statistics: TermStatistics | None = None,
        standing: Standing = list,
    ) -> Iterator[AnswerEvent]:
        """Pieces and verified citations as they come; the last event is the `FinalAnswer`."""
        alone = standalone_question(history, question)
        held = [passage for passage in passages if passage.text.strip()]
        yield from self.generator.stream(Ask(alone, held, history, statistics, question, standing))
