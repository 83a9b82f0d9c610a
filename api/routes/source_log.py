"""What sources did: the run log, and the newest changes. A source may have any name, so the query names it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.dependencies import AdminCaller, CollectionQuery, Kb, PageQuery, State, existing
from api.errors import ApiError
from api.http.paging import page_json
from api.routes.failures import GUARDED, failures
from api.sources.live_sources import LiveSources
from api.sources.removal import Fate
from api.wire.sources import ArrivalList, RunPage, SourceDeletion
from ingest.kafka.live_sources import LIVE
from retrieval.catalog.source_runs import RunRecord

SourceQuery = Annotated[str | None, Query(max_length=2_000, pattern=r"^[^\x00]*$", description="Only of this source.")]
AnySource = Annotated[
    str, Query(min_length=1, max_length=2_000, pattern=r"^[^\x00]*$", description="Name of the source.")
]

router = APIRouter(tags=["operations"], responses=GUARDED)


@router.get("/source-runs", response_model=RunPage, summary="Read the run log")
def list_runs(
    kb: Kb, caller: AdminCaller, collection: CollectionQuery, page: PageQuery, source: SourceQuery = None
) -> dict[str, Any]:
    """What each reading of a source did, and for live ones what each minute did, newest first; of the last 30 days."""
    found = kb.catalog.source_runs.page(existing(kb, collection), source, page.limit, page.after_number())
    return page_json("runs", [_run(one) for one in found], page.next_cursor(found, lambda one: one.id))


@router.get("/source-changes", response_model=ArrivalList, summary="List the newest changes")
def list_changes(
    kb: Kb,
    caller: AdminCaller,
    collection: CollectionQuery,
    source: SourceQuery = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 20,
) -> dict[str, Any]:
    """The documents that sources brought or removed last, among the collection's last 5,000 operations."""
    found = kb.catalog.arrivals.newest(existing(kb, collection).id, source, limit)
    return {"changes": [asdict(one) for one in found]}


@router.delete("/sources", response_model=SourceDeletion, responses=failures(409), summary="Delete a source by name")
def delete_named_source(
    kb: Kb,
    caller: AdminCaller,
    collection: CollectionQuery,
    source: AnySource,
    state: State,
    documents: Annotated[Fate, Query(description="What becomes of its documents.")] = "delete",
) -> dict[str, Any]:
    """For sources that a command reads, whose names may be addresses of folders; those of files on disk stay there."""
    state.target = f"{collection}/{source}"
    record = kb.catalog.sources.get(existing(kb, collection), source)
    if record.kind == LIVE:
        raise ApiError(409, "conflict", f"source {source!r} is a live database; DELETE /v1/sources/{source} removes it")
    return LiveSources(kb).delete(record, documents).to_dict()


def _run(record: RunRecord) -> dict[str, Any]:
    shown = asdict(record)
    work: dict[str, Any] = shown.pop("work")
    return shown | work
