"""The built-in generators keep the contract: extractive, and a language model whose endpoint is down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.answerer import Answerer
from retrieval.answer.generators import GENERATORS, AnswerGenerator
from retrieval.answer.types import Ask
from retrieval.encoder.hashing import HashEncoder
from retrieval.testing.generator import ANSWERABLE, PASSAGES, GeneratorContract, final


class TestExtractive(GeneratorContract):
    @pytest.fixture
    def generator(self) -> AnswerGenerator:
        return GENERATORS.create("extractive", HashEncoder(), Analyzer())


class TestFallenBack(GeneratorContract):
    """Nothing listens on port 9; answers then come from the extractive generator, and carry its name."""

    @pytest.fixture
    def generator(self) -> Iterator[AnswerGenerator]:
        made = GENERATORS.create("openai", HashEncoder(), Analyzer(), base_url="http://127.0.0.1:9", model="m")
        yield made
        made.close()

    def test_pieces_make_the_final_answer(self, generator: AnswerGenerator) -> None:
        answer = final(list(generator.stream(Ask(ANSWERABLE[0], PASSAGES))))
        assert answer.generator == "extractive"
        assert "cannot be reached" in answer.degraded


def test_registry_names_what_the_setting_offers() -> None:
    assert {"extractive", "openai"} <= {entry.name for entry in GENERATORS}
    assert Answerer.of("extractive", HashEncoder(), Analyzer()).generator.name == "extractive"
