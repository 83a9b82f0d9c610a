"""What every `Reader` must do. Subclass `ReaderContract` in a test file and give it a `reader` fixture."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from retrieval.answer.reader import Reader, Reading

QUESTION = "Who signs invoices over 10,000 EUR?"
PASSAGES = (
    "Invoices over 10,000 EUR are signed by the controller of the cost centre, Ms Vermeulen.",
    "新员工每年享有十五天带薪年假，满五年后增加到二十天。",
    "Our canteen opens at noon. " * 120,  # longer than one window
    "naïve café — 𝟚𝟘𝟚𝟜 ﬁne 😀 İstanbul",  # characters that normalising changes
    " \n\t ",
    "",
)
QUESTIONS = (QUESTION, "新员工有多少天年假？", "?", "why " * 200)


class ReaderContract:
    """Pytest collects the methods of a subclass whose name starts with Test."""

    def test_a_reading_is_a_piece_of_its_passage(self, reader: Reader) -> None:
        """Spans lie inside and hold something; a passage without words has none and is not answered from."""
        for question in QUESTIONS:
            readings = reader.read(question, PASSAGES)
            assert len(readings) == len(PASSAGES)
            for passage, reading in zip(PASSAGES, readings, strict=True):
                assert 0 <= reading.start <= reading.end <= len(passage)
                assert (reading.end > reading.start) == bool(passage.strip())
                assert math.isfinite(reading.margin) == bool(passage.strip())
                assert bool(passage.strip()) or not reading.answers

    def test_confidence_is_a_probability_that_follows_the_margin(self, reader: Reader) -> None:
        """Of two readings the one with the higher margin is not less sure, and answering follows confidence."""
        readings = sorted(reader.read(QUESTION, PASSAGES), key=lambda one: one.margin)
        assert all(0 <= one.confidence <= 1 for one in readings)
        pairs = list(zip(readings, readings[1:], strict=False))
        assert all(low.confidence <= high.confidence for low, high in pairs)
        assert all(high.answers or not low.answers for low, high in pairs)

    def test_no_passages_have_no_readings(self, reader: Reader) -> None:
        """A search without hits is no error."""
        assert reader.read(QUESTION, []) == []

    def test_other_passages_do_not_matter(self, reader: Reader) -> None:
        """Order and company change no reading, and reading again gives the same."""
        together = reader.read(QUESTION, PASSAGES)
        assert_alike(reader.read(QUESTION, PASSAGES[::-1]), together[::-1])
        for passage, reading in zip(PASSAGES, together, strict=True):
            assert_alike(reader.read(QUESTION, [passage]), [reading])

    def test_the_question_matters(self, reader: Reader) -> None:
        """Another question has another margin."""
        assert reader.read(QUESTION, PASSAGES[:1])[0].margin != reader.read(QUESTIONS[1], PASSAGES[:1])[0].margin

    def test_threads_may_share_it(self, reader: Reader) -> None:
        """Readings at the same time are those of one after the other."""
        alone = [reader.read(question, PASSAGES) for question in QUESTIONS]
        with ThreadPoolExecutor(4) as pool:
            asked = list(pool.map(lambda question: reader.read(question, PASSAGES), QUESTIONS * 3))
        for place, readings in enumerate(asked):
            assert_alike(readings, alone[place % len(QUESTIONS)])


def assert_alike(found: list[Reading], wanted: list[Reading]) -> None:
    """Equal spans and verdicts, and margins that are equal to rounding."""
    assert [(one.start, one.end, one.answers) for one in found] == [(one.start, one.end, one.answers) for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.margin == pytest.approx(other.margin, abs=1e-4)
