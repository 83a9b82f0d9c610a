"""The task that runs an evaluation set and keeps what it found, also used where the answer is waited for."""

from __future__ import annotations

from typing import Any

from api.jobs.tasks import Report
from api.knowledge_base import KnowledgeBase
from api.quality.eval_history import keep_run, plan_names, run_json
from api.quality.evaluation import evaluate_collection
from retrieval.catalog.eval_sets import EvalQuery, EvalSetRecord
from retrieval.errors import InvalidInputError
from retrieval.plan import Plan


def check_evaluate(kb: KnowledgeBase, collection: str, arguments: dict[str, Any]) -> None:
    """Raise at once what `evaluate` would fail with at its beginning."""
    _judged(kb, kb.catalog.eval_sets.get(kb.catalog.collections.get(collection), arguments["eval_set"]))


def evaluate(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """What a plan is worth on the set, seen with the rights of who asked; it is the set's newest run from then on."""
    found = kb.catalog.collections.get(collection)
    record = kb.catalog.eval_sets.get(found, arguments["eval_set"])
    queries = _judged(kb, record)
    questions = {query.id: query.text for query in queries}
    qrels = {query.id: query.judgements for query in queries}
    plan = None if arguments["plan"] is None else Plan.from_dict(arguments["plan"])
    principal = arguments["principal"]
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        report(done, len(queries))

    run = evaluate_collection(kb, collection, questions, qrels, principal, plan, advance)
    kept = keep_run(kb, found, record, queries, run, principal, arguments.get("asked_at"))
    return run_json(kept, plan_names(kb, found))


def _judged(kb: KnowledgeBase, record: EvalSetRecord) -> list[EvalQuery]:
    """The questions that a run measures search by. Raises `InvalidInputError` where the set has none."""
    queries = kb.catalog.eval_sets.judged(record)
    if not queries:
        raise InvalidInputError(
            f"evaluation set {record.name!r} has no question with a judged document, by which a run measures search; "
            "answers are measured by `kb eval --eval-set`"
        )
    return queries
