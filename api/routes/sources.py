"""Where a collection's documents come from; live databases are connected, watched and removed here.

A source's name is unique in its collection only, so routes that name one take `?collection=`, as others do.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query

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
from api.http.paging import page_json
from api.knowledge_base import KnowledgeBase
from api.routes.failures import GUARDED, failures
from api.sources.live_sources import LiveSources
from api.sources.snapshot_sources import SNAPSHOT, SnapshotSources
from api.sources.source_view import source_view
from api.sources.status import StatusReader
from api.wire.sources import (
    SOURCE_PATTERN,
    LiveSourceView,
    MappingTrial,
    Preview,
    PreviewBody,
    SnapshotBody,
    SnapshotView,
    SourceBody,
    SourceChange,
    SourceDeletion,
    SourcePage,
    SourceStatus,
    TableList,
    TablesBody,
    TestBody,
    TestResult,
)
from ingest.connect.inspection import Inspection
from ingest.connect.preview import PreviewResult
from retrieval.catalog.sources import SourceRecord
from retrieval.errors import ConflictError

SourcePath = Annotated[str, Path(pattern=SOURCE_PATTERN, description="Name of the source.", examples=["shop"])]

NEEDED_TO_READ = ("connection", "table ")  # checks; the others concern following the log

router = APIRouter(tags=["operations"], responses=GUARDED)


async def _live(kb: Kb) -> LiveSources:
    return LiveSources(kb)


Live = Annotated[LiveSources, Depends(_live)]


@router.get("/sources", response_model=SourcePage, summary="List sources")
def list_sources(kb: Kb, caller: ReadCaller, collection: CollectionQuery, page: PageQuery) -> dict[str, Any]:
    """The sources of a collection, by name, and how far each was read."""
    after = page.after_text()
    found = [one for one in kb.catalog.sources.all(existing(kb, collection)) if one.name > after][: page.limit]
    items = [
        {"name": s.name, "kind": s.kind, "state": s.state, "cursor": s.cursor, "updated_at": s.updated_at}
        for s in found
    ]
    return page_json("sources", items, page.next_cursor(found, lambda one: one.name))


@router.post(
    "/sources", status_code=201, response_model=LiveSourceView, responses=failures(409), summary="Connect a database"
)
def create_source(body: SourceBody, live: Live, kb: Kb, caller: AdminCaller, state: State) -> dict[str, Any]:
    """Follow tables of a database from now on: all their rows first, then every change. Makes the collection if new.

    With `mode` snapshot nothing is followed: `POST /v1/sources/{name}/snapshot` reads the rows, each time anew.
    """
    check_reach(state, body.collection)
    state.target = f"{body.collection}/{body.name}"
    create = SnapshotSources(kb).create if body.mode == "snapshot" else live.create
    record = create(body.collection, body.name, body.url.get_secret_value(), body.tables)
    return source_view(record, body.collection)


@router.post("/sources/test", response_model=TestResult, summary="Test a database")
def test_source(body: TestBody, live: Live, caller: AdminCaller) -> dict[str, Any]:
    """Whether a source could stream from there: version, settings, rights, and the SQL that mends what is missing."""
    found = live.test(body.url.get_secret_value(), body.tables)
    return inspection_view(found) | {"live": live.setup.configured}


@router.post("/sources/tables", response_model=TableList, summary="List a database's tables")
def list_database_tables(body: TablesBody, live: Live, caller: AdminCaller) -> dict[str, Any]:
    """Tables with columns, keys, sizes and the joins that foreign keys suggest."""
    return {"tables": [asdict(table) for table in live.tables(body.url.get_secret_value())]}


@router.post("/sources/preview", response_model=Preview, summary="Preview a mapping")
def preview_source(body: PreviewBody, live: Live, caller: AdminCaller) -> dict[str, Any]:
    """The documents that a mapping makes of the first rows of each table, with the rows they join."""
    return preview_view(live.preview(body.url.get_secret_value(), body.tables, body.limit))


@router.get("/sources/{name}", response_model=SourceStatus, responses=failures(409), summary="Look at a source")
def get_source(name: SourcePath, kb: Kb, caller: AdminCaller, collection: CollectionQuery) -> dict[str, Any]:
    """How a source is doing: for a live one connector, snapshot, lag, what the database keeps, what needs a person."""
    record = kb.catalog.sources.get(existing(kb, collection), name)
    return source_view(record, collection) | StatusReader(kb).read(record).to_dict()


@router.get("/sources/{name}/tables", response_model=TableList, responses=failures(409), summary="List its tables")
def list_source_tables(
    name: SourcePath, live: Live, kb: Kb, caller: AdminCaller, collection: CollectionQuery
) -> dict[str, Any]:
    """The tables of a source's database, mapped or not."""
    return {"tables": [asdict(table) for table in live.tables_of(with_database(kb, collection, name))]}


@router.post(
    "/sources/{name}/preview", response_model=Preview, responses=failures(409), summary="Preview another mapping of it"
)
def preview_stored_source(
    name: SourcePath, body: MappingTrial, live: Live, kb: Kb, caller: AdminCaller, collection: CollectionQuery
) -> dict[str, Any]:
    """What another mapping would make of a source's first rows, read with the stored password. Changes nothing."""
    return preview_view(live.preview_of(with_database(kb, collection, name), body.tables, body.limit))


@router.patch("/sources/{name}", response_model=LiveSourceView, responses=failures(409), summary="Change a source")
def change_source(
    name: SourcePath,
    body: SourceChange,
    live: Live,
    kb: Kb,
    caller: AdminCaller,
    collection: CollectionQuery,
    state: State,
) -> dict[str, Any]:
    """Another mapping, host or password. Tables that are shown differently are read again; others are left alone."""
    state.target = f"{collection}/{name}"
    state.detail |= {"changed": sorted(body.model_fields_set)}
    url = None if body.url is None else body.url.get_secret_value()
    record = with_database(kb, collection, name)
    if record.kind == SNAPSHOT:
        return source_view(SnapshotSources(kb).change(existing(kb, collection), record, body.tables, url), collection)
    return source_view(live.change(record, body.tables, url), collection)


@router.post("/sources/{name}/pause", response_model=LiveSourceView, responses=failures(409), summary="Pause a source")
def pause_source(
    name: SourcePath, live: Live, kb: Kb, caller: AdminCaller, collection: CollectionQuery, state: State
) -> dict[str, Any]:
    """Let it rest. The database keeps its log for it meanwhile, so not for ever."""
    state.target = f"{collection}/{name}"
    return source_view(live.pause(live.get(existing(kb, collection), name)), collection)


@router.post(
    "/sources/{name}/resume", response_model=LiveSourceView, responses=failures(409), summary="Resume a source"
)
def resume_source(
    name: SourcePath, live: Live, kb: Kb, caller: AdminCaller, collection: CollectionQuery, state: State
) -> dict[str, Any]:
    """Go on where it was paused."""
    state.target = f"{collection}/{name}"
    return source_view(live.resume(live.get(existing(kb, collection), name)), collection)


@router.post("/sources/{name}/restart", response_model=LiveSourceView, responses=failures(409), summary="Restart it")
def restart_source(
    name: SourcePath, live: Live, kb: Kb, caller: AdminCaller, collection: CollectionQuery, state: State
) -> dict[str, Any]:
    """Start the connector again, after what made it fail was mended."""
    state.target = f"{collection}/{name}"
    return source_view(live.restart(live.get(existing(kb, collection), name)), collection)


@router.post(
    "/sources/{name}/snapshot",
    status_code=202,
    response_model=SnapshotView,
    responses=failures(409),
    summary="Read tables again",
)
def snapshot_source(
    name: SourcePath,
    body: SnapshotBody,
    live: Live,
    kb: Kb,
    caller: AdminCaller,
    collection: CollectionQuery,
    state: State,
    jobs: Runner,
) -> dict[str, Any]:
    """Every row of these tables once more; with `full` the whole source anew, as after a restored backup.

    A source that is not live is read as a whole, by a job.
    """
    state.target = f"{collection}/{name}"
    state.detail |= {"tables": body.tables or "all", "full": body.full}
    found = existing(kb, collection)
    record = kb.catalog.sources.get(found, name)
    if record.kind == SNAPSHOT:
        arguments = {"source": name, "tables": None, "allow_mass_deletion": body.allow_mass_deletion}
        job = jobs.submit("source_snapshot", collection, arguments)
        return {"id": job.id, "kind": "job", "tables": sorted(record.config.get("tables", {}))}
    return asdict(live.snapshot(live.get(found, name), body.tables, full=body.full))


@router.delete("/sources/{name}", response_model=SourceDeletion, responses=failures(409), summary="Delete a source")
def delete_source(
    name: SourcePath,
    live: Live,
    kb: Kb,
    caller: AdminCaller,
    collection: CollectionQuery,
    state: State,
    documents: Annotated[Literal["delete", "keep"], Query(description="What becomes of its documents.")] = "delete",
) -> dict[str, Any]:
    """Remove a source with what it holds at the servers; what cannot be reached is told, with what to run."""
    state.target = f"{collection}/{name}"
    record = kb.catalog.sources.get(existing(kb, collection), name)
    return live.delete(record, documents).to_dict()


def with_database(kb: KnowledgeBase, collection: str, name: str) -> SourceRecord:
    """A source whose database this server can ask. Raises `NotFoundError`, `ConflictError`."""
    record = kb.catalog.sources.get(existing(kb, collection), name)
    if "url" not in record.config:
        raise ConflictError(
            f"source {name!r} of kind {record.kind!r} is read by the command kb ingest, which knows where it is; "
            "expected a database that was connected here. Change the file of its mapping and run the command again"
        )
    return record


def preview_view(found: PreviewResult) -> dict[str, Any]:
    """What a mapping makes of rows, for the wire."""
    shown = ("key", "title", "text", "language", "metadata", "acl", "uri")
    documents = [{name: getattr(document, name) for name in shown} for document in found.documents]
    return {"documents": documents, "errors": [asdict(problem) for problem in found.problems]}


def inspection_view(inspection: Inspection) -> dict[str, Any]:
    """A connection test as it is shown."""
    readable = not any(one.check.startswith(NEEDED_TO_READ) for one in inspection.errors)
    return {"ok": inspection.ok, "readable": readable, **asdict(inspection)}
