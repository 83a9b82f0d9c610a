"""Feedback becomes judged questions: one vote a person, one question however it is spelled."""

from __future__ import annotations

from datetime import UTC, datetime

from retrieval.catalog.journal import FeedbackRecord
from retrieval.catalog.rated import rated_questions


def said(*votes: tuple[str, str, str | None, int]) -> list[FeedbackRecord]:
    """(person, question, document, rating), in the order in which they came."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [FeedbackRecord(n, at, who, query, key, rating, "") for n, (who, query, key, rating) in enumerate(votes)]


def judged(*votes: tuple[str, str, str | None, int]) -> dict[str, dict[str, int]]:
    return {question.text: dict(question.judgements) for question in rated_questions(said(*votes))}


def test_what_more_found_helpful_than_not_is_relevant() -> None:
    votes = [("a", "how long", "d1", 1), ("b", "how long", "d1", 1), ("c", "how long", "d1", -1)]
    assert judged(*votes, ("a", "how long", "d2", -1)) == {"how long": {"d1": 1, "d2": 0}}


def test_as_many_for_as_against_say_nothing() -> None:
    assert judged(("a", "q", "d1", 1), ("b", "q", "d1", -1), ("a", "q", "d2", 1)) == {"q": {"d2": 1}}


def test_a_person_has_one_vote_the_last() -> None:
    votes = [("a", "q", "d1", 1)] * 5
    assert judged(*votes, ("b", "q", "d1", -1), ("c", "q", "d1", -1), ("a", "q", "d2", 1)) == {"q": {"d1": 0, "d2": 1}}
    assert judged(*votes, ("a", "q", "d1", -1)) == {}


def test_equal_words_are_one_question_as_it_was_spelled_first() -> None:
    assert judged(("a", "How  long? ", "d1", 1), ("b", "how long?", "d2", 1)) == {"How long?": {"d1": 1, "d2": 1}}
    assert judged(("a", "保修期 多长", "d1", 1)) == {"保修期 多长": {"d1": 1}}


def test_what_helped_nobody_or_names_no_document_is_no_question() -> None:
    assert judged(("a", "q", "d1", -1), ("a", "r", None, 1)) == {}
    assert rated_questions([]) == []


def test_equal_feedback_makes_equal_sets() -> None:
    votes = [("a", f"question {n}", "d1", 1) for n in range(20)]
    one = rated_questions(said(*votes))
    assert one == rated_questions(said(*reversed(votes))) and len({question.id for question in one}) == 20
