"""What an answer is worth: right words, right evidence, and refusing what cannot be answered."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retrieval.answer.generators import AnswerGenerator
from retrieval.answer.types import Answer, Ask, FinalAnswer
from search_core.answering.questions import AskedQuestion
from search_core.answering.replies import Replies
from search_core.reader.scores import contains, overlap_f1

_MARKS = re.compile(r"\s*\[\d+\]")


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer; all between 0 and 1 but `milliseconds`.

    `quality` of an answered question is the mean of token F1 and of whether the cited text holds a right answer, and
    0 where it is refused; of a question without an answer it is 1 where it is refused, else 0. F1 rewards saying no
    more than needed, the citation rewards evidence: sentences and spans are both paid for what they are good at.
    """

    quality: float
    f1: float
    cited: float  # the cited text holds a right answer
    citations: float  # share of citations that hold one
    refused: bool
    failed: bool  # something else than the model answered
    milliseconds: float
    prompt_tokens: float = 0.0  # sent to an endpoint, about; also where its reply was known already
    completion_tokens: float = 0.0  # received, likewise


def score(generator: AnswerGenerator, question: AskedQuestion, replies: Replies) -> Scored:
    """Ask once; a reply that was known already counts the time that it took then."""
    began, known = time.perf_counter(), replies.saved_seconds
    sent, received = replies.prompt_tokens, replies.completion_tokens
    *_, last = generator.stream(Ask(question.spelt or question.text, question.passages, statistics=question.statistics))
    milliseconds = (time.perf_counter() - began + replies.saved_seconds - known) * 1e3
    assert isinstance(last, FinalAnswer)  # the contract of a generator
    worth = scored(last.answer, question.answers, milliseconds)
    sent, received = replies.prompt_tokens - sent, replies.completion_tokens - received
    return replace(worth, prompt_tokens=sent, completion_tokens=received)


def scored(answer: Answer, golds: Sequence[str], milliseconds: float) -> Scored:
    """What an answer is worth beside the right ones; none of these: it was to be refused."""
    failed = bool(answer.degraded)
    if answer.refused or not golds:
        quality = float(answer.refused and not golds)
        return Scored(quality, 0.0, 0.0, 0.0, answer.refused, failed, milliseconds)
    f1 = overlap_f1(_MARKS.sub("", answer.text), golds)
    held = [contains(citation.quote, golds) for citation in answer.citations]
    cited = max(held, default=0.0)
    share = float(np.mean(held)) if held else 0.0
    return Scored((f1 + cited) / 2, f1, cited, share, False, failed, milliseconds)


def summary(rows: Sequence[Scored], questions: Sequence[AskedQuestion]) -> dict[str, float]:
    """Means over the questions; `refusals` is the F1 of refusing what has no answer, 0 where nothing has none."""
    answerable = [one for one, question in zip(rows, questions, strict=True) if question.answers]
    due = sum(not question.answers for question in questions)
    said = sum(one.refused for one in rows)
    right = sum(one.refused and not question.answers for one, question in zip(rows, questions, strict=True))
    return {
        "quality": _mean([one.quality for one in rows]),
        "f1": _mean([one.f1 for one in answerable]),
        "cited": _mean([one.cited for one in answerable]),
        "citation_precision": _mean([one.citations for one in answerable if not one.refused]),
        "refusals": round(2 * right / (due + said), 5) if due + said else 0.0,
        "failures": _mean([float(one.failed) for one in rows]),
        "milliseconds": round(float(np.median([one.milliseconds for one in rows])), 2) if rows else 0.0,
        "prompt_tokens": _mean([one.prompt_tokens for one in rows]),
        "completion_tokens": _mean([one.completion_tokens for one in rows]),
    }


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 5) if values else 0.0
