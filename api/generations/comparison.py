"""Compares a generation that was built with the one that serves: what each holds, and what each finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from api.knowledge_base import KnowledgeBase
from api.plans.fitting_plan import without_foreign_parts
from api.quality.evaluation import EvaluatedRun, evaluate_search
from api.serving.collection_runtime import CollectionRuntime
from api.upkeep.maintenance import verify_runtime
from ingest.regeneration import Pace
from retrieval.catalog import Collection
from retrieval.catalog.eval_sets import EvalQuery, EvalSetRecord
from retrieval.errors import ConflictError, InvalidInputError
from retrieval.evaluation.metrics import bootstrap_interval
from retrieval.plan import Plan
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.types import OPERATOR

GATE_METRICS = ("ndcg@10", "recall@100")  # an interval of the difference wholly below 0 in one of them is "worse"
SEED = 0
WITHOUT_ADAPTER = "without_adapter"  # names the serving plan's learned parts where they are of another encoder


def compare(
    kb: KnowledgeBase,
    serving: Collection,
    mine: Collection,
    eval_set: EvalSetRecord | None,
    pace: Pace,
    advance: Callable[[int], None],
) -> dict[str, Any]:
    """The evidence: parity of counts and, with an evaluation set, both generations' metrics.

    Builds the views of the new generation on disk, where whoever serves it next finds them.
    """
    runtime = kb.open_runtime(mine)
    try:
        runtime.follower.catch_up(lambda count: _progress(count, pace, advance))
        evidence: dict[str, Any] = {"parity": _parity(kb, serving, mine, runtime)}
        plan, adapter = without_foreign_parts(kb, replace(serving, plan_id=runtime.collection.plan_id), mine)
        if adapter is not None:
            evidence[WITHOUT_ADAPTER] = adapter
        if eval_set is not None:
            queries = kb.catalog.eval_sets.judged(eval_set)
            evidence |= {"eval_set": eval_set.name} | _quality(kb, serving, runtime, plan, queries, pace, advance)
        return evidence
    finally:
        runtime.stop()


def _progress(count: int, pace: Pace, advance: Callable[[int], None]) -> None:
    advance(count)
    pace.rest()


def evaluation_set(kb: KnowledgeBase, collection: Collection, name: str | None) -> EvalSetRecord | None:
    """The set of that name; for "" the only one with judgements, if there is one; for None none.

    Raises `NotFoundError` for one that is not there, `InvalidInputError` for one without judgements, or where one of
    several must be named.
    """
    if name is None:
        return None
    if name:
        named = kb.catalog.eval_sets.get(collection, name)
        if not kb.catalog.eval_sets.judged(named):
            raise InvalidInputError(f"evaluation set {name!r} has no judgements to compare by; name one that has")
        return named
    known = [one for one in kb.catalog.eval_sets.all(collection) if kb.catalog.eval_sets.judged(one)]
    if len(known) > 1:
        names = ", ".join(one.name for one in known)
        raise InvalidInputError(f"collection {collection.name!r} has the evaluation sets {names}; name one of them")
    return known[0] if known else None


def _parity(kb: KnowledgeBase, serving: Collection, mine: Collection, runtime: CollectionRuntime) -> dict[str, Any]:
    """What the catalog has for the generation, what its views hold, and documents that only the serving one has cut."""
    result = verify_runtime(kb, runtime)
    lacking = kb.catalog.recutting.count_lost(serving, mine)
    return result.to_dict() | {"documents_lost": lacking, "in_step": result.in_step and not lacking}


def _quality(
    kb: KnowledgeBase,
    serving: Collection,
    runtime: CollectionRuntime,
    plan: Plan,
    queries: list[EvalQuery],
    pace: Pace,
    advance: Callable[[int], None],
) -> dict[str, Any]:
    questions = {query.id: query.text for query in queries}
    qrels = {query.id: query.judgements for query in queries if query.judgements}
    plan_now = runtime.plan

    def search_serving(request: SearchRequest) -> SearchResult:
        with kb.runtimes.use(serving.name) as served:
            return served.search(plan_now, request, OPERATOR)

    def search_new(request: SearchRequest) -> SearchResult:
        return runtime.retriever.search(runtime.collection, plan, request, OPERATOR)

    def rest() -> None:
        _progress(1, pace, advance)

    pace.begin()
    after = evaluate_search(search_new, plan, questions, qrels, rest)
    try:
        before = evaluate_search(search_serving, plan_now, questions, qrels, rest)
    except ConflictError as error:  # its encoder is no longer what it was, which may be why there is a new one
        return {"serving": None, "refused": str(error), "new": after.to_dict(), "differences": {}, "worse": []}
    differences = {name: _difference(before, after, name) for name in GATE_METRICS}
    worse = [name for name, one in differences.items() if one["high"] < 0]
    return {"serving": before.to_dict(), "new": after.to_dict(), "differences": differences, "worse": worse}


def _difference(before: EvaluatedRun, after: EvaluatedRun, metric: str) -> dict[str, float]:
    """New less serving, question by question, with the paired 95 % bootstrap interval of its mean."""
    values = np.subtract(after.evaluation.values[metric], before.evaluation.values[metric])
    low, high = bootstrap_interval(values, seed=SEED)
    return {"mean": round(float(values.mean()), 5), "low": round(low, 5), "high": round(high, 5)}
