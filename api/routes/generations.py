"""Generations: another encoder, analyzer or chunking beside the serving one; compare, activate, roll back, retire."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from api.dependencies import AdminCaller, CollectionName, Kb, ReadCaller, Runner, State, existing
from api.errors import ApiError
from api.generations.reindex import activate_generation, generation_json, retire_generation, roll_back_generation
from api.http.paging import MAX_ID
from api.http.responses import JsonResponse
from api.jobs.presentation import job_json
from api.jobs.tasks import with_caller
from api.knowledge_base import KnowledgeBase
from api.routes.failures import GUARDED, failures
from api.routes.jobs import arguments_for
from api.wire.generations import ActivateBody, GenerationList, GenerationView
from api.wire.jobs import JobView, ReindexArguments
from retrieval.catalog.generations import Generation

GenerationPath = Annotated[
    str, Path(alias="generation", pattern=r"^[0-9]{1,18}$", description="The generation's number.")
]

router = APIRouter(prefix="/collections/{collection}/generations", tags=["generations"], responses=GUARDED)
rollback_router = APIRouter(prefix="/collections/{collection}", tags=["generations"], responses=GUARDED)


@router.get("", response_model=GenerationList)
def list_generations(kb: Kb, caller: ReadCaller, collection: CollectionName) -> dict[str, Any]:
    """Every generation of a collection, oldest first, retired ones included."""
    found = kb.catalog.generations.all(existing(kb, collection))
    return {"generations": [generation_json(one) for one in found]}


@router.post("", status_code=202, response_model=JobView, responses=failures(409))
def create_generation(
    body: ReindexArguments, kb: Kb, caller: AdminCaller, collection: CollectionName, state: State, jobs: Runner
) -> JsonResponse:
    """Build a generation beside the serving one and, where it passes, let it take over: a job of kind `reindex`."""
    existing(kb, collection)
    arguments = arguments_for(kb, caller, "reindex", collection, body.model_dump(mode="json"))
    job = jobs.submit("reindex", collection, with_caller(arguments, caller.principal))
    state.detail["job"] = job.id
    return JsonResponse(job_json(job), 202, {"Location": f"/v1/jobs/{job.id}"})


@router.get("/{generation}", response_model=GenerationView)
def get_generation(
    generation: GenerationPath, kb: Kb, caller: ReadCaller, collection: CollectionName
) -> dict[str, Any]:
    """One generation with the evidence it was compared by."""
    return generation_json(_found(kb, collection, generation))


@router.post("/{generation}/activate", response_model=GenerationView, responses=failures(409))
def activate(
    generation: GenerationPath,
    body: ActivateBody,
    kb: Kb,
    caller: AdminCaller,
    collection: CollectionName,
    state: State,
) -> dict[str, Any]:
    """Let a complete generation serve from now on; requests under way end with the former one."""
    one = _found(kb, collection, generation)
    state.detail |= {"generation": one.id, "force": body.force}
    return generation_json(activate_generation(kb, collection, one.id, force=body.force))


@router.post("/{generation}/retire", response_model=GenerationView, responses=failures(409))
def retire(
    generation: GenerationPath, kb: Kb, caller: AdminCaller, collection: CollectionName, state: State
) -> dict[str, Any]:
    """Drop a generation that does not serve: its passages and views, and no change reaches it any more."""
    one = _found(kb, collection, generation)
    state.detail["generation"] = one.id
    return generation_json(retire_generation(kb, collection, one.id))


@rollback_router.post("/generations:rollback", response_model=GenerationView, responses=failures(409))
def roll_back(kb: Kb, caller: AdminCaller, collection: CollectionName, state: State) -> dict[str, Any]:
    """Return to the generation that served before; it was kept up to date."""
    existing(kb, collection)
    one = roll_back_generation(kb, collection)
    state.detail["generation"] = one.id
    return generation_json(one)


def _found(kb: KnowledgeBase, collection: str, number: str) -> Generation:
    if int(number) > MAX_ID:
        raise ApiError(404, "not_found", f"generation {number} does not exist")
    return kb.catalog.generations.get(existing(kb, collection), int(number))
