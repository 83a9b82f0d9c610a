"""Sentences in place of what a plan names and what cannot be opened: searches and answers go on, and say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from retrieval.answer.generators import AnswerGenerator
from retrieval.answer.types import AnswerEvent, Ask, FinalAnswer


class StandIn:
    """Another generator's answers, each marked as less than what was configured."""

    def __init__(self, generator: AnswerGenerator, reason: str) -> None:
        self._generator = generator
        self._reason = reason
        self.name = generator.name

    def stream(self, ask: Ask) -> Iterator[AnswerEvent]:
        """See `AnswerGenerator.stream`."""
        for event in self._generator.stream(ask):
            if isinstance(event, FinalAnswer):
                yield FinalAnswer(replace(event.answer, degraded=self._reason))
            else:
                yield event

    def close(self) -> None:
        """Release the generator."""
        self._generator.close()
