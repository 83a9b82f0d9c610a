"""The history of an evaluation set: its runs over time, what changed between two of them, and on which questions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from api.dependencies import CollectionQuery, Kb, PageQuery, ReadCaller, WriteCaller, existing
from api.errors import ApiError
from api.http.paging import MAX_ID, page_json
from api.knowledge_base import KnowledgeBase
from api.quality.eval_history import changed_questions, compare_runs, plan_names, run_json
from api.routes.failures import GUARDED
from api.wire.evaluation import EvalComparison, EvalRun, EvalRunPage, RunQuestionPage
from retrieval.catalog.eval_runs import EvalRunRecord
from retrieval.catalog.eval_sets import EvalSetRecord

SetPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="Name of the set.")]
RunPath = Annotated[str, Path(alias="run", pattern=r"^[0-9]{1,18}$", description="The run's number.")]
Against = Annotated[str, Query(pattern=r"^[0-9]{1,18}$", description="The earlier run's number.")]
MaybeAgainst = Annotated[
    str | None, Query(alias="against", pattern=r"^[0-9]{1,18}$", description="An earlier run; without it none.")
]
Metric = Annotated[
    Literal["ndcg@10", "mrr@10", "recall@10", "recall@100"], Query(description="What questions are ordered by.")
]
Order = Annotated[Literal["worst", "best"], Query(description="Which come first.")]

router = APIRouter(prefix="/eval-sets/{name}/runs", tags=["evaluation"], responses=GUARDED)


@router.get("", response_model=EvalRunPage)
def list_eval_runs(
    name: SetPath, kb: Kb, caller: ReadCaller, collection: CollectionQuery, page: PageQuery
) -> dict[str, Any]:
    """The runs of a set, newest first."""
    found = existing(kb, collection)
    runs = kb.catalog.eval_runs.page(kb.catalog.eval_sets.get(found, name), page.limit, page.after_number())
    plans = plan_names(kb, found)
    return page_json("runs", [run_json(one, plans) for one in runs], page.next_cursor(runs, lambda one: one.id))


@router.get("/{run}", response_model=EvalRun)
def get_eval_run(
    name: SetPath, run: RunPath, kb: Kb, caller: ReadCaller, collection: CollectionQuery
) -> dict[str, Any]:
    """One run."""
    found = existing(kb, collection)
    return run_json(_run(kb, kb.catalog.eval_sets.get(found, name), run), plan_names(kb, found))


@router.delete("/{run}", status_code=204)
def delete_eval_run(name: SetPath, run: RunPath, kb: Kb, caller: WriteCaller, collection: CollectionQuery) -> None:
    """Forget one run, such as one with wrong rights."""
    eval_set = kb.catalog.eval_sets.get(existing(kb, collection), name)
    kb.catalog.eval_runs.drop(eval_set, _run(kb, eval_set, run).id)


@router.get("/{run}/comparison", response_model=EvalComparison)
def compare_eval_runs(
    name: SetPath, run: RunPath, kb: Kb, caller: ReadCaller, collection: CollectionQuery, against: Against
) -> dict[str, Any]:
    """What changed since an earlier run, on the questions that both asked."""
    eval_set = kb.catalog.eval_sets.get(existing(kb, collection), name)
    before, after = _run(kb, eval_set, against), _run(kb, eval_set, run)
    compared = compare_runs(*(kb.catalog.eval_runs.questions(one) for one in (before, after)))
    return {"run": after.id, "against": before.id, "same_rights": before.rights == after.rights} | compared


@router.get("/{run}/questions", response_model=RunQuestionPage)
def list_run_questions(
    name: SetPath,
    run: RunPath,
    kb: Kb,
    caller: WriteCaller,
    collection: CollectionQuery,
    page: PageQuery,
    against: MaybeAgainst = None,
    metric: Metric = "ndcg@10",
    order: Order = "worst",
) -> dict[str, Any]:
    """Questions by what they lost or gained since an earlier run, else by what they reach.

    They name judged documents whoever may read them, so it needs scope write.
    """
    eval_set = kb.catalog.eval_sets.get(existing(kb, collection), name)
    before = None if against is None else kb.catalog.eval_runs.questions(_run(kb, eval_set, against))
    rows = changed_questions(before, kb.catalog.eval_runs.questions(_run(kb, eval_set, run)), metric)
    if order == "best":
        rows.reverse()
    start = page.after_number() or 0
    numbered = list(enumerate(rows, start=1))[start : start + page.limit]
    cursor = page.next_cursor(numbered, lambda pair: pair[0])
    return page_json("questions", [row for _, row in numbered], cursor)


def _run(kb: KnowledgeBase, eval_set: EvalSetRecord, number: str) -> EvalRunRecord:
    if int(number) > MAX_ID:
        raise ApiError(404, "not_found", f"evaluation set {eval_set.name!r} has no run {number}")
    return kb.catalog.eval_runs.get(eval_set, int(number))
