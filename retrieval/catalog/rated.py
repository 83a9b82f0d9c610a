"""Judged questions out of what people said of results: an evaluation set to measure by and to tune with."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from retrieval.catalog.eval_sets import ID_DIGITS, EvalQuery, words_of
from retrieval.catalog.journal import FeedbackRecord


def rated_questions(feedback: Iterable[FeedbackRecord]) -> list[EvalQuery]:
    """Questions of which a document was found helpful, by id; `feedback` in the order in which it came.

    Equal words are one question, in the spelling it was first asked in. What one person says of a document later
    replaces what he said before; where more people found it helpful than not its grade is 1, where fewer 0, and where
    as many the document is left out. What is said of no document in particular does not count.
    """
    votes: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    spelled: dict[str, str] = {}
    for one in feedback:
        if one.document_key is not None:
            words = words_of(one.query)
            spelled.setdefault(words, " ".join(one.query.split()))
            votes[words][one.document_key][one.principal] = one.rating
    questions = []
    for words, documents in votes.items():
        sums = {key: sum(by_person.values()) for key, by_person in documents.items()}
        judgements = {key: int(total > 0) for key, total in sorted(sums.items()) if total}
        if any(judgements.values()):
            name = f"q-{hashlib.sha256(words.encode()).hexdigest()[: 2 * ID_DIGITS]}"
            questions.append(EvalQuery(name, spelled[words], judgements))
    return sorted(questions, key=lambda one: one.id)
