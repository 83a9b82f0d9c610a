"""Former versions of documents and deleted ones: look, and bring back.

They need scope write: what was once said is for those who maintain it, not for all who may read what is said now.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import CollectionName, Kb, PageQuery, State, WriteCaller, existing
from api.http.paging import page_json
from api.routes.failures import GUARDED
from api.routes.writes import WaitFor, written
from api.wire.base import Key
from api.wire.documents import FormerPage, FormerVersions, FormerView, RestoreBody, WriteResponse
from retrieval.catalog import Receipt
from retrieval.catalog.versions import FormerVersion

KeyQuery = Annotated[Key, Query(description="The document's key.", examples=["faq/1"])]
_LATE: dict[int | str, dict[str, Any]] = {
    202: {"model": WriteResponse, "description": "Written; searches do not see it yet."}
}

router = APIRouter(prefix="/collections/{collection}", tags=["documents"], responses=GUARDED)


@router.get("/documents:versions", response_model=FormerVersions, summary="Former versions of a document")
def list_versions(kb: Kb, caller: WriteCaller, collection: CollectionName, key: KeyQuery) -> dict[str, Any]:
    """What is kept of a document's former versions, newest first, without their text."""
    found = kb.catalog.versions.all(existing(kb, collection), key, caller.principal)
    return {"versions": [_view(one) for one in found]}


@router.get("/documents:version", response_model=FormerView, summary="A former version of a document")
def get_version(
    kb: Kb,
    caller: WriteCaller,
    collection: CollectionName,
    key: KeyQuery,
    version: Annotated[int, Query(ge=1, le=2**63 - 1, description="Its number.")],
) -> dict[str, Any]:
    """One former version with its text."""
    found = kb.catalog.versions.get(existing(kb, collection), key, version, caller.principal)
    return _view(found) | {"text": found.document.text}


@router.get("/documents:deleted", response_model=FormerPage, summary="Deleted documents")
def list_deleted(kb: Kb, caller: WriteCaller, collection: CollectionName, page: PageQuery) -> dict[str, Any]:
    """Deleted documents that can still be brought back, by key, each as it was last, without text."""
    found = kb.catalog.versions.deleted(
        existing(kb, collection), caller.principal, limit=page.limit, after=page.after_text()
    )
    shown = [_view(one) for one in found]
    return page_json("documents", shown, page.next_cursor(found, lambda one: one.document.key))


@router.post("/documents:restore", response_model=WriteResponse, responses=_LATE, summary="Bring a former version back")
async def restore_version(
    request: Request,
    kb: Kb,
    caller: WriteCaller,
    collection: CollectionName,
    body: RestoreBody,
    state: State,
    wait_for: WaitFor = "committed",
) -> Response:
    """Let a former version be the document again, deleted or not; the next change at its source replaces it."""

    def restore() -> Receipt:
        former = kb.catalog.versions.get(existing(kb, collection), body.key, body.version, caller.principal)
        return kb.write(collection, [replace(former.document, committed_at=None)])

    receipt = await run_in_threadpool(restore)
    state.detail |= {"key": body.key, "version": body.version, "seq": receipt.seq}
    return await written(request, collection, body.key, receipt, wait_for)


def _view(former: FormerVersion) -> dict[str, Any]:
    document = former.document
    return {
        "key": document.key,
        "version": former.version,
        "title": document.title,
        "uri": document.uri,
        "source": document.source,
        "table": document.table,
        "language": document.language,
        "metadata": document.metadata,
        "acl": document.acl,
        "as_of": former.as_of.isoformat(),
        "replaced_at": former.replaced_at.isoformat(),
        "deleted": former.deleted,
    }
