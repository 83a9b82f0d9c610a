"""Sentences with numbers say one question, two questions."""

from __future__ import annotations

import pytest

from api.upkeep.verification_result import VerificationResult
from infra.wording import counted


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (counted(1, "question"), "1 question"),
        (counted(0, "question"), "0 questions"),
        (counted(1200, "search", "searches"), "1200 searches"),
        (counted(1200, "event", grouped=True), "1,200 events"),
        (counted(1, "question is", "questions are"), "1 question is"),
    ],
)
def test_words_go_with_their_number(told: str, expected: str) -> None:
    assert told == expected


def test_a_collection_of_one_document_is_told_as_such() -> None:
    told = VerificationResult("c", 3, documents=1, chunks=1, unembedded=1, views={}).sentence()
    assert told.startswith("c: 1 document, 1 chunk at") and "1 passage without embedding" in told
