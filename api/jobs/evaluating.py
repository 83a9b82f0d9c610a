"""The task that runs an evaluation set, also used where the answer is waited for."""

from __future__ import annotations

from typing import Any

from api.evaluation import evaluate_collection
from api.jobs.tasks import Report
from api.knowledge_base import KnowledgeBase
from retrieval.evaluation import METRICS
from retrieval.plan import Plan


def evaluate(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """What a plan is worth on the set, seen with the rights of who asked."""
    record = kb.catalog.eval_sets.get(kb.catalog.collections.get(collection), arguments["eval_set"])
    queries = kb.catalog.eval_sets.queries(record)
    questions = {query.id: query.text for query in queries}
    qrels = {query.id: query.judgements for query in queries}
    plan = None if arguments["plan"] is None else Plan.from_dict(arguments["plan"])
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        report(done, len(queries))

    run = evaluate_collection(kb, collection, questions, qrels, arguments["principal"], plan, advance)
    found = run.to_dict()
    return {"metrics": {name: found.pop(name) for name in METRICS}} | found
