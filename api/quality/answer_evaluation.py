"""Asks questions whose right answers are known, and scores what whoever answers says."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from api.knowledge_base import KnowledgeBase
from retrieval.answer.types import Answer
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.plan import Plan
from retrieval.types import MAX_QUERY_LENGTH, Principal
from search_core.answering.questions import AskedQuestion
from search_core.answering.scoring import scored, summary

NOTHING_ASKED = Answer("", refused=True)


def evaluate_answers(
    kb: KnowledgeBase,
    collection: str,
    questions: Sequence[EvalQuery],
    principal: Principal,
    plan: Plan | None = None,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Means over the questions, as a run of `kb tune --task answer` has them, with their number and who answered.

    A blank question counts as refused; one over `MAX_QUERY_LENGTH` is cut.
    """
    chosen = plan or kb.plan_of(collection)
    rows, asked = [], []
    for question in questions:
        began = time.perf_counter()
        answer = NOTHING_ASKED
        if question.text.strip():
            answer = kb.answer(collection, question.text[:MAX_QUERY_LENGTH], principal, plan=chosen).answer
        milliseconds = (time.perf_counter() - began) * 1e3
        right = tuple(filter(None, question.answers or ()))
        asked.append(AskedQuestion(question.id, question.text, right, (), question.id))
        rows.append(scored(answer, right, milliseconds))
        progress()
    model = "the settings' answer model" if chosen.answer is None else chosen.answer.describe()
    return {"questions": len(rows), "model": model, **summary(rows, asked)}
