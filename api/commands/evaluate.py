"""`kb eval`: how good search is on judged questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from api.commands.shared import AsJson, CollectionOption, advance, knowledge_base, out, print_json, progress_bar
from api.evaluation import EvaluatedRun, evaluate_collection
from retrieval.evaluation import METRICS, read_qrels, read_queries, write_run
from retrieval.plan import Plan
from retrieval.types import OPERATOR


def evaluate(
    queries: Annotated[Path, typer.Option(help='JSON lines {"id", "text"}.')],
    qrels: Annotated[Path, typer.Option(help="Tab separated: query-id, corpus-id, score.")],
    collection: CollectionOption = "default",
    run_out: Annotated[Path | None, typer.Option(help="Write the ranking as a TREC run file.")] = None,
    plan: Annotated[typer.FileText | None, typer.Option(help="A plan as JSON, instead of the serving one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a collection's search on judged questions, with bootstrap intervals."""
    questions, judged = read_queries(queries), read_qrels(qrels)
    chosen = None if plan is None else Plan.from_json(plan.read())
    with knowledge_base() as kb, progress_bar("searching", len(judged)) as progress:
        scored = evaluate_collection(kb, collection, questions, judged, OPERATOR, chosen, lambda: advance(progress, 1))
    if run_out is not None:
        write_run(run_out, scored.run, f"{collection}-{scored.plan.digest}")
    if as_json:
        print_json(scored.to_dict())
    else:
        _show(scored)


def _show(scored: EvaluatedRun) -> None:
    table = Table("metric", "mean", "95 % interval", box=None, pad_edge=False)
    for metric in METRICS:
        estimate = scored.evaluation.estimate(metric)
        table.add_row(metric, f"{estimate.mean:.4f}", f"{estimate.low:.4f} to {estimate.high:.4f}")
    out.print(table)
    values = scored.to_dict()
    latency = f"p50 {values['p50_ms']:.2f} ms, p95 {values['p95_ms']:.2f} ms"
    out.print(f"{values['queries']} questions, {latency}, plan {scored.plan.digest}")
