"""Evaluation sets: questions with judged documents; a run says what a plan is worth on them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from api.dependencies import (
    CollectionQuery,
    Kb,
    PageQuery,
    ReadCaller,
    Runner,
    State,
    WriteCaller,
    check_reach,
    existing,
)
from api.http.paging import page_json
from api.http.responses import JsonResponse
from api.jobs.evaluating import evaluate
from api.jobs.presentation import job_json
from api.jobs.tasks import with_caller
from api.quality.rated_set import rated_set
from api.requested_plan import plan_of
from api.routes.failures import GUARDED, failures
from api.wire.evaluation import (
    EvalCase,
    EvalCaseBody,
    EvalRun,
    EvalRunBody,
    EvalSetBody,
    EvalSetDetail,
    EvalSetPage,
    EvalSetView,
    RatedSetBody,
)
from api.wire.jobs import JobView
from retrieval.catalog.eval_sets import EvalQuery, EvalSetRecord

QUESTIONS_AT_ONCE = 200  # a second or two of searching; larger sets run as jobs

SetPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="Name of the set.")]

router = APIRouter(prefix="/eval-sets", tags=["evaluation"], responses=GUARDED)


@router.post("", status_code=201, response_model=EvalSetView, responses=failures(409))
def create_eval_set(body: EvalSetBody, kb: Kb, caller: WriteCaller, state: State) -> dict[str, Any]:
    """Store a set of questions with judged documents, right answers or both."""
    found = existing(kb, check_reach(state, body.collection))
    state.target = f"{body.collection}/{body.name}"
    queries = [
        EvalQuery(query.id, query.text, query.judgements, None if query.answers is None else tuple(query.answers))
        for query in body.queries
    ]
    return _view(kb.catalog.eval_sets.create(found, body.name, queries))


@router.post(":from-feedback", status_code=201, response_model=EvalSetView, responses=failures(409))
def create_eval_set_from_feedback(body: RatedSetBody, kb: Kb, caller: WriteCaller, state: State) -> dict[str, Any]:
    """Store a set of what people rated: their questions, with the documents that more found helpful than not."""
    found = existing(kb, check_reach(state, body.collection))
    state.target = f"{body.collection}/{body.name}"
    return _view(rated_set(kb, found, body.name))


@router.get("", response_model=EvalSetPage)
def list_eval_sets(kb: Kb, caller: ReadCaller, collection: CollectionQuery, page: PageQuery) -> dict[str, Any]:
    """The sets of a collection, by name, without their questions."""
    after = page.after_text()
    found = [one for one in kb.catalog.eval_sets.all(existing(kb, collection)) if one.name > after][: page.limit]
    return page_json("eval_sets", [_view(one) for one in found], page.next_cursor(found, lambda one: one.name))


@router.get("/{name}", response_model=EvalSetDetail)
def get_eval_set(name: SetPath, kb: Kb, caller: WriteCaller, collection: CollectionQuery) -> dict[str, Any]:
    """A set with its questions. They name documents and answers whoever may read them, so it needs scope write."""
    record = kb.catalog.eval_sets.get(existing(kb, collection), name)
    questions = [
        {"id": query.id, "text": query.text, "judgements": dict(query.judgements), "answers": query.answers}
        for query in kb.catalog.eval_sets.queries(record)
    ]
    return _view(record) | {"questions": questions}


@router.post("/{name}/cases", response_model=EvalCase)
def save_eval_case(name: SetPath, body: EvalCaseBody, kb: Kb, caller: WriteCaller, state: State) -> dict[str, Any]:
    """Add a judged question to a set, which is made where it is new.

    A question that is there already gains what is told. Documents that the caller may not read cannot be named.
    """
    found = existing(kb, check_reach(state, body.collection))
    state.target = f"{body.collection}/{name}"
    for key in body.judgements:
        kb.catalog.documents.get(found, key, caller.principal)
    stored = kb.catalog.eval_sets.judge(found, name, body.text.strip(), body.judgements, body.answers)
    shown = {"id": stored.id, "text": stored.text, "judgements": dict(stored.judgements), "answers": stored.answers}
    return {"eval_set": name, **shown}


@router.delete("/{name}", status_code=204)
def delete_eval_set(name: SetPath, kb: Kb, caller: WriteCaller, collection: CollectionQuery) -> None:
    """Delete a set with its questions."""
    kb.catalog.eval_sets.drop(existing(kb, collection), name)


@router.post("/{name}/runs", response_model=EvalRun, responses={202: {"model": JobView}})
def run_eval_set(name: SetPath, body: EvalRunBody, kb: Kb, caller: WriteCaller, state: State, jobs: Runner) -> Response:
    """What a plan is worth on the set, seen with the caller's rights. Large sets become a job (202)."""
    found = existing(kb, check_reach(state, body.collection))
    record = kb.catalog.eval_sets.get(found, name)
    plan = None if body.plan is None else plan_of(kb, body.collection, body.plan, caller)
    state.target = f"{body.collection}/{name}"
    arguments: dict[str, Any] = {"eval_set": name, "plan": None if plan is None else plan.to_dict()}
    if record.queries <= QUESTIONS_AT_ONCE and not body.background:
        seen_by = {"principal": caller.principal}
        return JsonResponse(evaluate(kb, found.name, arguments | seen_by, lambda done, total: None))
    job = jobs.submit("evaluate", found.name, with_caller(arguments, caller.principal))
    return JsonResponse(job_json(job), 202, {"Location": f"/v1/jobs/{job.id}"})


def _view(record: EvalSetRecord) -> dict[str, Any]:
    return {"name": record.name, "queries": record.queries, "created_at": record.created_at}
