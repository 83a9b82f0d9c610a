"""Experiments: have the search core look for a better plan, watch it, see what it tried."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from api.dependencies import (
    AdminCaller,
    CollectionQuery,
    Kb,
    PageQuery,
    ReadCaller,
    Runner,
    State,
    check_reach,
    existing,
)
from api.http.paging import moment_position, page_json
from api.http.responses import JsonResponse
from api.jobs.experiment_state import state_of
from api.jobs.opening import uses_celery
from api.jobs.tasks import with_caller
from api.knowledge_base import KnowledgeBase
from api.routes.failures import GUARDED, failures
from api.wire.experiments import (
    ExperimentBody,
    ExperimentComparison,
    ExperimentDetail,
    ExperimentPage,
    ExperimentStarted,
    TrialPage,
)
from retrieval.catalog import Collection
from retrieval.catalog.experiments import ExperimentRecord
from retrieval.errors import InvalidInputError, NotFoundError
from search_core.log.log_comparison import compare_runs
from search_core.policy import check_policy
from search_core.proof.promotion import check_way
from search_core.questions.supervision import choose_set
from search_core.request import ANSWER_TASK, Request, without_questions
from search_core.spaces.architecture import Architecture
from search_core.spaces.drawing import choice_graph, draw
from search_core.spaces.scalar import same
from search_core.spaces.space import SearchSpace
from search_core.spaces.space_file import SPACES, stored_space
from search_core.task import SEARCH_TASKS, parse_budget, parse_task
from search_core.tiers import parse_tiers
from search_core.tuning.devices import check_device

ExperimentPath = Annotated[str, Path(alias="experiment", pattern=r"^[0-9a-f]{16}$", description="The experiment's id.")]

router = APIRouter(prefix="/experiments", tags=["experiments"], responses=GUARDED)


@router.post("", status_code=202, response_model=ExperimentStarted, responses=failures(409))
def start_experiment(body: ExperimentBody, kb: Kb, caller: AdminCaller, state: State, jobs: Runner) -> JsonResponse:
    """Search for a better plan, prove it on sealed questions, let it serve: a job of kind `tune`."""
    found = existing(kb, check_reach(state, body.collection))
    request = _checked(kb, found, body)
    record = kb.catalog.experiments.create(found, request.to_dict())
    job = jobs.submit("tune", found.name, with_caller({"experiment": record.id}, caller.principal))
    state.target, state.detail["experiment"] = found.name, record.id
    view = _view(kb, found, record) | {"job": job.id}
    location = f"/v1/experiments/{record.id}?collection={found.name}"
    return JsonResponse(view, 202, {"Location": location})


@router.get("", response_model=ExperimentPage)
def list_experiments(kb: Kb, caller: ReadCaller, collection: CollectionQuery, page: PageQuery) -> dict[str, Any]:
    """The experiments of a collection, newest first."""
    found = existing(kb, collection)
    shown = kb.catalog.experiments.page(found, page.limit, page.after_moment())
    views = [_view(kb, found, one) for one in shown]
    return page_json("experiments", views, page.next_cursor(shown, lambda one: moment_position(one.created_at, one.id)))


@router.get("/{experiment}", response_model=ExperimentDetail)
def get_experiment(
    experiment: ExperimentPath, kb: Kb, caller: ReadCaller, collection: CollectionQuery
) -> dict[str, Any]:
    """One experiment with its result and a picture of the chosen architecture."""
    found = existing(kb, collection)
    record = kb.catalog.experiments.get(found, experiment)
    return _view(kb, found, record) | {"result": record.result, "picture": _picture(record), "graph": _graph(record)}


@router.get("/{experiment}/trials", response_model=TrialPage)
def list_trials(
    experiment: ExperimentPath, kb: Kb, caller: ReadCaller, collection: CollectionQuery, page: PageQuery
) -> dict[str, Any]:
    """What was tried, in order."""
    record = kb.catalog.experiments.get(existing(kb, collection), experiment)
    trials = kb.catalog.experiments.trials(record.id, after=page.after_number() or 0, limit=page.limit)
    told = [trial | {"cost": _cost(record, trial)} for trial in trials]
    return page_json("trials", told, page.next_cursor(trials, lambda trial: trial["number"]))


@router.get("/{experiment}/comparison", response_model=ExperimentComparison)
def compare_experiments(
    experiment: ExperimentPath,
    kb: Kb,
    caller: ReadCaller,
    collection: CollectionQuery,
    against: Annotated[str, Query(pattern=r"^[0-9a-f]{16}$", description="The other experiment's id.")],
) -> dict[str, Any]:
    """Two experiments beside each other: what was asked, what came of it, where they parted."""
    found = existing(kb, collection)
    records = [kb.catalog.experiments.get(found, name) for name in (experiment, against)]
    runs = [(record.request, record.result, kb.catalog.experiments.trials(record.id)) for record in records]
    return compare_runs(runs[0], runs[1])


def _checked(kb: KnowledgeBase, collection: Collection, body: ExperimentBody) -> Request:
    """The request, or an error now rather than in the job."""
    if body.search_space not in SPACES:  # files are for who runs `kb tune`
        known = ", ".join(entry.name for entry in SPACES)
        raise InvalidInputError(f"space {body.search_space!r} is not known here; expected one of {known}")
    check_policy(body.policy)
    budget = parse_budget(body.budget)
    task = parse_task(body.task, budget).task
    if task not in SEARCH_TASKS:
        raise InvalidInputError(
            f"task {task!r} is not about a collection; expected one of {', '.join(SEARCH_TASKS)}, or a sentence"
        )
    parse_tiers(body.tiers, budget)
    request = Request(**body.model_dump())
    if request.promote:
        check_way(kb.catalog, collection, request.rollout)
    if not uses_celery(kb.settings):  # whose workers may have other devices than this machine
        check_device(body.device)
    if not request.made_questions:
        choose_set(kb.catalog, collection, request.eval_set, answered=request.task == ANSWER_TASK)
    return request


def _view(kb: KnowledgeBase, collection: Collection, record: ExperimentRecord) -> dict[str, Any]:
    result = record.result or {}
    return {
        "id": record.id,
        "collection": collection.name,
        "state": state_of(kb, collection, record).value,
        "request": without_questions(record.request),
        "trials": record.trials,
        "best": kb.catalog.experiments.best(record.id),
        "lift": result.get("lift"),
        "p_value": result.get("p_value"),
        "promoted": result.get("promoted"),
        "created_at": record.created_at,
        "finished_at": record.finished_at,
    }


def _picture(record: ExperimentRecord) -> str | None:
    known = _known(record, (record.result or {}).get("architecture"))
    return None if known is None else draw(*known)


def _graph(record: ExperimentRecord) -> dict[str, Any] | None:
    """The chosen architecture as nodes and edges, for whoever draws it himself."""
    known = _known(record, (record.result or {}).get("architecture"))
    if known is None:
        return None
    architecture, space = known
    graph = choice_graph(architecture.as_dict(), space)
    decisions = [space[node.name] for node in graph.nodes]
    nodes = [
        {
            "name": decision.name,
            "tier": decision.tier.value,
            "summary": decision.summary,
            "value": architecture[decision.name],
            "default": decision.default,
            "moved": not same(architecture[decision.name], decision.default),
        }
        for decision in decisions
    ]
    return {"nodes": nodes, "edges": graph.edges}


def _cost(record: ExperimentRecord, trial: dict[str, Any]) -> dict[str, float] | None:
    """What serving that candidate would add to a search, by the space's own estimate."""
    known = _known(record, trial.get("architecture"))
    return None if known is None else {"serving_ms": known[1].cost(known[0]).serving_milliseconds}


def _known(record: ExperimentRecord, chosen: dict[str, Any] | None) -> tuple[Architecture, SearchSpace] | None:
    """The architecture with its space; None where there is none, or its space is not installed here."""
    if chosen is None:
        return None
    try:
        space = stored_space(chosen["space"], record.request.get("space_text", ""))
        return space.check(Architecture(chosen["space"], chosen["choices"])), space
    except (InvalidInputError, NotFoundError):
        return None
