"""Answers of a collection whose answer model is exchanged: timed and counted for the arm that gave them."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import replace

from api.rollout.live import CANDIDATE, SERVING
from api.rollout.tally import Tally, of_answer
from api.serving.collection_runtime import CollectionRuntime
from retrieval.answer.answerer import Answerer
from retrieval.answer.types import Answer, AnswerEvent, FinalAnswer, Passage, Standing, Turn
from retrieval.catalog.rollouts import RolloutRecord
from retrieval.plan import Plan
from retrieval.search.types import SearchResult


class LiveAnswers:
    """Answers by whom the search's plan names. A candidate that fails costs its caller nothing but time."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def answer(
        self,
        runtime: CollectionRuntime,
        search: SearchResult,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Turn],
        standing: Standing,
    ) -> tuple[Answer, SearchResult]:
        """The whole answer at once, and the search with the plan that it was answered by."""
        rollout, began, serving = _counted(runtime, search), time.perf_counter(), runtime.plan

        def asked(answerer: Answerer) -> Answer:
            return answerer.answer(question, passages, history, runtime.term_statistics, standing)

        try:
            answer = asked(runtime.answerers.of(search.plan.answer))
        except Exception:  # whatever it is: where what serves can answer, the candidate is to blame
            self._count(rollout, search, began, failed=True)
            if rollout is None or search.arm != CANDIDATE:
                raise
            return asked(runtime.answerers.of(serving.answer)), _answered_by(serving, search)
        self._count(rollout, search, began, failed=bool(answer.degraded))
        return answer, search

    def stream(
        self,
        runtime: CollectionRuntime,
        search: SearchResult,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Turn],
        standing: Standing,
    ) -> Generator[AnswerEvent, None, None]:
        """The answer as it is written; what was said cannot be taken back, so an error stays one."""
        rollout, began = _counted(runtime, search), time.perf_counter()
        try:
            answerer = runtime.answerers.of(search.plan.answer)
            for event in answerer.stream(question, passages, history, runtime.term_statistics, standing):
                if isinstance(event, FinalAnswer):
                    self._count(rollout, search, began, failed=bool(event.answer.degraded))
                yield event
        except Exception:  # counted, not hidden
            self._count(rollout, search, began, failed=True)
            raise

    def _count(self, rollout: RolloutRecord | None, search: SearchResult, began: float, *, failed: bool) -> None:
        if rollout is not None:
            self._tally.add(rollout, of_answer(rollout, search.arm, (time.perf_counter() - began) * 1e3, failed))


def _answered_by(serving: Plan, search: SearchResult) -> SearchResult:
    """The candidate's search with who answered instead: a thumb is not the candidate's, and the other's if all is."""
    plan = replace(search.plan, answer=serving.answer)
    return replace(search, plan=plan, arm=SERVING if plan == serving else "")


def _counted(runtime: CollectionRuntime, search: SearchResult) -> RolloutRecord | None:
    """The rollout that the answer is counted for: one of an answer model, when the search was of one of its arms."""
    _, rollout, _ = runtime.plans_now()
    return rollout if rollout is not None and search.arm and rollout.options.get("answers") else None
