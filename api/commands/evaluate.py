"""`kb eval`: how good search is on judged questions, and answers on questions whose right answers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from api.commands.shared import (
    AsJson,
    CollectionOption,
    advance,
    err,
    knowledge_base,
    out,
    plan_in,
    print_json,
    progress_bar,
    table_of,
)
from api.knowledge_base import KnowledgeBase
from api.quality.answer_evaluation import evaluate_answers
from api.quality.eval_history import keep_run
from api.quality.evaluation import EvaluatedRun, absent_documents, evaluate_collection
from api.quality.rated_set import rated_set
from infra.wording import counted
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.errors import InvalidInputError
from retrieval.evaluation.runs import METRICS, read_qrels, read_queries, write_run
from retrieval.plan import Plan
from retrieval.types import OPERATOR
from search_core.reader.data import read_answers


def evaluate(
    queries: Annotated[Path | None, typer.Option(help='JSON lines {"id", "text"}.')] = None,
    qrels: Annotated[Path | None, typer.Option(help="Tab separated: query-id, corpus-id, score.")] = None,
    answers: Annotated[
        Path | None, typer.Option(help='Right answers: JSON lines {"id", "answers"}; no answers: it has none.')
    ] = None,
    eval_set: Annotated[str, typer.Option(help="A stored evaluation set, instead of files.")] = "",
    from_feedback: Annotated[
        bool, typer.Option("--from-feedback", help="Ask what people rated, instead of files; with --save.")
    ] = False,
    save: Annotated[str, typer.Option(help="Store the questions as an evaluation set of this name.")] = "",
    collection: CollectionOption = "default",
    run_out: Annotated[Path | None, typer.Option(help="Write the ranking as a TREC run file.")] = None,
    plan: Annotated[
        typer.FileText | None, typer.Option(help="JSON file of a plan, instead of the serving one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a collection on judged questions, and its answers on those whose right answers are known.

    A run of a stored evaluation set is kept in its history, as those of the console are.
    """
    _check(queries, qrels, answers, eval_set, save, from_feedback)
    given = [] if queries is None else _read(queries, qrels, answers)
    chosen = None if plan is None else plan_in(plan)
    with knowledge_base() as kb:
        found = kb.catalog.collections.get(collection)
        if from_feedback:
            eval_set = rated_set(kb, found, save).name
        elif save:
            kb.catalog.eval_sets.create(found, save, given)
        stored = kb.catalog.eval_sets.get(found, eval_set or save) if eval_set or save else None
        asked = given if stored is None else kb.catalog.eval_sets.queries(stored)
        scored = _searched(kb, collection, asked, chosen)
        if scored is not None and stored is not None:
            keep_run(kb, found, stored, asked, scored, OPERATOR)
        answered = _answered(kb, collection, asked, chosen)
    if run_out is not None and scored is not None:
        write_run(run_out, scored.run, f"{collection}-{scored.plan.digest}")
    if as_json:
        print_json(({} if scored is None else scored.to_dict()) | ({} if answered is None else {"answers": answered}))
        return
    if scored is not None:
        _show(scored)
    if answered is not None:
        _show_answers(answered)


def _check(
    queries: Path | None, qrels: Path | None, answers: Path | None, eval_set: str, save: str, from_feedback: bool
) -> None:
    if (queries is not None) + bool(eval_set) + from_feedback != 1:
        raise InvalidInputError(
            "name one of --queries with --qrels, --answers or both, a stored --eval-set, or --from-feedback"
        )
    if from_feedback and (not save or qrels is not None or answers is not None):
        raise InvalidInputError("--from-feedback makes an evaluation set; expected --save NAME, and no files")
    if queries is not None and qrels is None and answers is None:
        raise InvalidInputError("--queries needs --qrels (relevant documents), --answers (right answers) or both")
    if eval_set and (qrels is not None or answers is not None or save):
        raise InvalidInputError("--qrels, --answers and --save belong to --queries, not to --eval-set")


def _read(queries: Path, qrels: Path | None, answers: Path | None) -> list[EvalQuery]:
    """The questions of the files that are judged or answered. Raises `InvalidInputError`, `SupervisionError`."""
    texts = read_queries(queries)
    judged = {} if qrels is None else read_qrels(qrels)
    known = {} if answers is None else read_answers(answers)
    unknown = [name for name in (*judged, *known) if name not in texts]
    if unknown:
        raise InvalidInputError(
            f"{counted(len(unknown), 'judged or answered question')} not among the queries, "
            f"the first is {unknown[0]!r}; "
            "check that the files belong together"
        )
    rows = [EvalQuery(name, texts[name], judged.get(name, {})) for name in dict.fromkeys([*judged, *known])]
    return [replace(row, answers=tuple(known[row.id])) if row.id in known else row for row in rows]


def _searched(kb: KnowledgeBase, collection: str, asked: list[EvalQuery], plan: Plan | None) -> EvaluatedRun | None:
    judged = {query.id: query.judgements for query in asked if query.judgements}
    if not judged and any(query.answers is not None for query in asked):
        return None
    questions = {query.id: query.text for query in asked}
    with progress_bar("searching", len(judged)) as progress:
        scored = evaluate_collection(kb, collection, questions, judged, OPERATOR, plan, lambda: advance(progress, 1))
    if absent := absent_documents(kb, collection, judged, OPERATOR):
        err.print(
            f"[yellow]not in the collection[/]: {len(absent)} of the documents that are judged relevant, the first is "
            f"{escape(repr(absent[0]))}. No search finds them; check the ids, or ingest them"
        )
    return scored


def _answered(kb: KnowledgeBase, collection: str, asked: list[EvalQuery], plan: Plan | None) -> dict[str, Any] | None:
    known = [query for query in asked if query.answers is not None]
    if not known:
        return None
    with progress_bar("answering", len(known)) as progress:
        return evaluate_answers(kb, collection, known, OPERATOR, plan, lambda: advance(progress, 1))


def _show(scored: EvaluatedRun) -> None:
    table = table_of("metric", "mean", "95 % interval")
    for metric in METRICS:
        estimate = scored.evaluation.estimate(metric)
        table.add_row(metric, f"{estimate.mean:.4f}", f"{estimate.low:.4f} to {estimate.high:.4f}")
    out.print(table)
    values = scored.to_dict()
    latency = f"p50 {values['p50_ms']:.2f} ms, p95 {values['p95_ms']:.2f} ms"
    out.print(f"{counted(values['queries'], 'question')}, {latency}, plan {scored.plan.digest}")


def _show_answers(answered: dict[str, Any]) -> None:
    names = {"quality": "quality", "f1": "F1", "cited": "cited", "refusals": "refusals, F1"}
    table = table_of("answers", "mean")
    for name, shown in names.items():
        table.add_row(shown, f"{answered[name]:.4f}")
    out.print(table)
    out.print(
        f"{counted(answered['questions'], 'question')} answered by {answered['model']}, "
        f"p50 {answered['milliseconds']:.0f} ms"
    )
