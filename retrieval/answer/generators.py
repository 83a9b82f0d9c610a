"""The seam of answering, and the generators there are: sentences or words of passages, or a language model's text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from infra.registry import Registry
from retrieval.answer.extractive import ExtractiveGenerator
from retrieval.answer.question import Tokens
from retrieval.answer.types import AnswerEvent, Ask
from retrieval.contracts import Encoder


class AnswerGenerator(Protocol):
    """Writes a cited answer, or a refusal. `retrieval.testing.generator` holds its contract."""

    @property
    def name(self) -> str:
        """As registered; answers carry it."""
        ...

    def stream(self, ask: Ask) -> Iterator[AnswerEvent]:
        """Pieces, each followed by the citations it uses; the `FinalAnswer` ends them. Outages degrade, not raise."""
        ...

    def close(self) -> None:
        """Release connections; the generator is not used afterwards."""
        ...


def _openai(encoder: Encoder, analyzer: Tokens, **options: Any) -> AnswerGenerator:
    from retrieval.answer.endpoint import ChatEndpoint, EndpointSettings  # httpx only where an endpoint is configured
    from retrieval.answer.generated import LanguageModelGenerator
    from retrieval.answer.thoughts import may_open_thinking

    slots = options.pop("slots", None)
    settings = EndpointSettings(**options)
    endpoint, thinks = ChatEndpoint(settings), may_open_thinking(settings.model)
    return LanguageModelGenerator(endpoint, encoder, analyzer, endpoint.close, slots, thinks)


def _reader(encoder: Encoder, analyzer: Tokens, **options: Any) -> AnswerGenerator:
    from retrieval.answer.reader_generator import ReaderGenerator  # a model's session only where a reader is configured

    return ReaderGenerator.of_folder(encoder, analyzer, **options)


GENERATORS: Registry[AnswerGenerator] = Registry("generator")
GENERATORS.register("extractive", ExtractiveGenerator, "sentences of the passages, cited to the exact span")
GENERATORS.register("reader", _reader, "the answering words, found by the span reader of a folder")
GENERATORS.register("openai", _openai, "any OpenAI-compatible endpoint, verified; extractive where it fails")
