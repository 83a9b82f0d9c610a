"""What every `AnswerGenerator` must do. Subclass `GeneratorContract` in a test file with a `generator` fixture."""

from __future__ import annotations

from retrieval.answer.generators import AnswerGenerator
from retrieval.answer.types import (
    Answer,
    AnswerEvent,
    AnswerPiece,
    Ask,
    CitationEvent,
    FinalAnswer,
    Passage,
    verify_citations,
)

HANDBOOK = (
    "Employee handbook.\n\nFull-time employees receive 25 days of paid vacation per year. "
    "Unused days expire on 31 March.\n\n| Benefit | Days |\n|---|---|\n| Parental leave | 90 |\n"
)
MANUAL = "员工手册。正式员工每年享有25天带薪年假。报销须在30天内提交，由财务部王丽审批。"
DOCUMENTS = {"handbook": HANDBOOK, "manual": MANUAL}
SECOND = HANDBOOK.index("Full-time")  # a passage that does not begin where its document does

PASSAGES = (
    Passage("handbook#1", "handbook", "Leave policy", HANDBOOK[SECOND:], SECOND, 0.9, "https://example.com/handbook"),
    Passage("manual#0", "manual", "员工手册", MANUAL, 0, 0.8),
)
ANSWERABLE = ("How many days of paid vacation do full-time employees receive?", "报销由谁审批？")
UNANSWERABLE = ("What is the capital of the Mars colony?", "火星殖民地的首都是哪里？")


class GeneratorContract:
    """Pytest collects the methods of a subclass whose name starts with Test."""

    def test_pieces_make_the_final_answer(self, generator: AnswerGenerator) -> None:
        """The text is the pieces joined, the citations those of the events, and nothing follows the final answer."""
        for question in (*ANSWERABLE, *UNANSWERABLE):
            events = list(generator.stream(Ask(question, PASSAGES)))
            answer = final(events)
            assert "".join(event.text for event in events if isinstance(event, AnswerPiece)) == answer.text
            assert tuple(event.citation for event in events if isinstance(event, CitationEvent)) == answer.citations
            assert [isinstance(event, FinalAnswer) for event in events] == [False] * (len(events) - 1) + [True]
            assert answer.generator == generator.name
            assert 0 <= answer.confidence <= 1

    def test_quotes_are_the_stored_text(self, generator: AnswerGenerator) -> None:
        """Every citation stands at its span of the document, and its mark in the text."""
        for question in ANSWERABLE:
            answer = final(list(generator.stream(Ask(question, PASSAGES))))
            assert answer.citations
            assert verify_citations(answer.citations, DOCUMENTS.get) == []
            assert all(f"[{citation.number}]" in answer.text for citation in answer.citations)

    def test_what_nothing_supports_is_refused(self, generator: AnswerGenerator) -> None:
        """No citation, a reason, and words in the language of the question."""
        for question in UNANSWERABLE:
            answer = final(list(generator.stream(Ask(question, PASSAGES))))
            assert answer.refused
            assert answer.citations == ()
            assert answer.reason
            assert answer.text.isascii() == question.isascii()

    def test_no_passage_is_a_refusal(self, generator: AnswerGenerator) -> None:
        """Without evidence there is no answer, and no error."""
        answer = final(list(generator.stream(Ask(ANSWERABLE[0], ()))))
        assert answer.refused
        assert answer.confidence == 0
        assert answer.citations == ()


def final(events: list[AnswerEvent]) -> Answer:
    """The answer of the last event."""
    last = events[-1]
    assert isinstance(last, FinalAnswer), f"the last event is {last!r}, expected a FinalAnswer"
    return last.answer
