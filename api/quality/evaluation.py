"""Runs questions through the serving search and scores what comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from api.knowledge_base import KnowledgeBase
from infra.wording import counted
from retrieval.errors import InvalidInputError
from retrieval.evaluation.runs import METRICS, Evaluation, Qrels, Run, evaluate
from retrieval.plan import Plan
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.types import MAX_QUERY_LENGTH, Principal

DEPTH = 100  # documents a question; recall@100 needs them


@dataclass(frozen=True, slots=True)
class EvaluatedRun:
    """A run with its scores; `latencies_ms` are whole searches, encoding included."""

    run: Run
    evaluation: Evaluation
    latencies_ms: tuple[float, ...]
    plan: Plan

    def to_dict(self) -> dict[str, Any]:
        """The pinned form: metrics with 95 % bootstrap intervals, latencies, number of questions, the plan."""
        latencies = self.latencies_ms or (0.0,)  # where every question is blank, none was asked
        values: dict[str, Any] = {metric: round(self.evaluation.mean(metric), 5) for metric in METRICS}
        estimates = {metric: self.evaluation.estimate(metric) for metric in METRICS}
        return values | {
            "p50_ms": round(float(np.percentile(latencies, 50)), 3),
            "p95_ms": round(float(np.percentile(latencies, 95)), 3),
            "queries": len(self.run),
            "plan": self.plan.to_dict() | {"digest": self.plan.digest},
            "intervals": {name: [round(e.low, 5), round(e.high, 5)] for name, e in estimates.items()},
        }


def evaluate_collection(
    kb: KnowledgeBase,
    collection: str,
    questions: Mapping[str, str],
    qrels: Qrels,
    principal: Principal,
    plan: Plan | None = None,
    progress: Callable[[], None] = lambda: None,
) -> EvaluatedRun:
    """Ask the serving generation every judged question.

    Raises as `evaluate_search` does, and where the collection has no document that is judged relevant.
    """
    _check_documents(kb, collection, qrels, principal)
    chosen = plan or kb.plan_of(collection)

    def search(request: SearchRequest) -> SearchResult:
        with kb.runtimes.use(collection) as runtime:
            return runtime.search(chosen, request, principal)

    return evaluate_search(search, chosen, questions, qrels, progress)


def absent_documents(kb: KnowledgeBase, collection: str, qrels: Qrels, principal: Principal) -> list[str]:
    """Documents that are judged relevant and are not in the collection, or not the caller's to read, in order.

    No search finds them, so that each lowers what is measured.
    """
    wanted = _relevant(qrels)
    found = kb.catalog.collections.get(collection)
    return sorted(wanted - kb.catalog.documents.readable(found, wanted, principal))


def _relevant(qrels: Qrels) -> set[str]:
    return {key for judged in qrels.values() for key, grade in judged.items() if grade > 0}


def _check_documents(kb: KnowledgeBase, collection: str, qrels: Qrels, principal: Principal) -> None:
    """Ids that do not fit would score 0 everywhere, as if the search were bad."""
    wanted = _relevant(qrels)
    if wanted and len(absent_documents(kb, collection, qrels, principal)) == len(wanted):
        raise InvalidInputError(
            f"of {counted(len(wanted), 'document')} judged relevant none is in collection {collection!r}, the first is "
            f"{min(wanted)!r}; check the ids, or ingest the documents"
        )


def evaluate_search(
    search: Callable[[SearchRequest], SearchResult],
    plan: Plan,
    questions: Mapping[str, str],
    qrels: Qrels,
    progress: Callable[[], None] = lambda: None,
) -> EvaluatedRun:
    """Ask every judged question. Raises `InvalidInputError` when a judgement names a question that is not there."""
    unknown = sorted(set(qrels) - set(questions))
    if unknown:
        raise InvalidInputError(
            f"{counted(len(unknown), 'judged question is', 'judged questions are')} not among the queries, "
            f"the first is {unknown[0]!r}; "
            "check that both files belong together"
        )
    run: dict[str, list[tuple[str, float]]] = {}
    latencies = []
    for question in qrels:
        if not questions[question].strip():
            run[question] = []  # nothing was asked, nothing is found
            progress()
            continue
        request = SearchRequest(questions[question][:MAX_QUERY_LENGTH], DEPTH, highlight=False)
        began = time.perf_counter()
        result = search(request)
        latencies.append((time.perf_counter() - began) * 1000)
        run[question] = [(hit.chunk.key, hit.score) for hit in result.hits]
        progress()
    return EvaluatedRun(run, evaluate(run, qrels), tuple(latencies), plan)
