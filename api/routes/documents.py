"""Documents, one at a time: put, get, change rights, delete; and their list."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import AdminCaller, CollectionName, Kb, PageQuery, ReadCaller, State, WriteCaller, existing
from api.errors import ApiError
from api.http.paging import page_json
from api.http.responses import JsonResponse
from api.routes.failures import GUARDED
from api.routes.writes import WaitFor, document_of, position_of, written
from api.wire.base import Key, Line, NewDocumentKey, Text
from api.wire.documents import (
    DocumentBody,
    DocumentChange,
    DocumentFacets,
    DocumentPage,
    DocumentView,
    WriteResponse,
)
from retrieval.catalog import Outcome, Receipt
from retrieval.catalog.documents import StoredVersion, chunk_id, document_id
from retrieval.errors import NotFoundError
from retrieval.filters import parse_filter
from retrieval.types import Chunk, Deletion

KeyPath = Annotated[Key, Path(description="The document's key; it may contain slashes.", examples=["faq/1"])]
NewKeyPath = Annotated[NewDocumentKey, Path(description="Its key, without parts that are . or ..", examples=["faq/1"])]
Version = Annotated[
    int | None, Query(ge=0, le=2**63 - 1, description="The client's version; one older than stored changes nothing.")
]
_LATE: dict[int | str, dict[str, Any]] = {
    202: {"model": WriteResponse, "description": "Written; searches do not see it yet."}
}

router = APIRouter(prefix="/collections/{collection}", tags=["documents"], responses=GUARDED)


@router.put("/documents/{key:path}", response_model=WriteResponse, responses=_LATE, summary="Store a document")
async def put_document(
    request: Request,
    kb: Kb,
    caller: WriteCaller,
    collection: CollectionName,
    key: NewKeyPath,
    body: DocumentBody,
    state: State,
    wait_for: WaitFor = "committed",
) -> Response:
    """Store a document, replacing the former one of that key. Sent twice, it changes nothing the second time."""

    def write() -> Receipt:
        existing(kb, collection)
        return kb.write(collection, [document_of(key, body)])

    receipt = await run_in_threadpool(write)
    state.detail |= {"seq": receipt.seq, "outcome": receipt.outcomes[0].value}
    return await written(request, collection, key, receipt, wait_for)


@router.patch("/documents/{key:path}", response_model=WriteResponse, responses=_LATE, summary="Change who may read it")
async def change_document(
    request: Request,
    kb: Kb,
    caller: AdminCaller,
    collection: CollectionName,
    key: KeyPath,
    body: DocumentChange,
    state: State,
    wait_for: WaitFor = "committed",
) -> Response:
    """Change a document's groups; the rest stays. The next change at its source brings the source's groups again."""

    def change() -> Receipt:
        kb.catalog.documents.get(existing(kb, collection), key, caller.principal)
        return kb.change_access(collection, key, None if body.acl is None else tuple(body.acl))

    receipt = await run_in_threadpool(change)
    state.detail |= {"seq": receipt.seq, "outcome": receipt.outcomes[0].value, "acl": body.acl}
    if receipt.outcomes[0] is Outcome.ABSENT:
        raise NotFoundError(f"document {key!r} of collection {collection!r} was deleted meanwhile")
    return await written(request, collection, key, receipt, wait_for)


@router.delete("/documents/{key:path}", response_model=WriteResponse, responses=_LATE, summary="Delete a document")
async def delete_document(
    request: Request,
    kb: Kb,
    caller: WriteCaller,
    collection: CollectionName,
    key: KeyPath,
    state: State,
    wait_for: WaitFor = "committed",
    version: Version = None,
) -> Response:
    """Delete a document; `outcome` is `absent` when there is none. A late write of an older version stays ignored."""

    def delete() -> Receipt:
        existing(kb, collection)
        return kb.write(collection, [Deletion(key, position=position_of(version))])

    receipt = await run_in_threadpool(delete)
    state.detail |= {"seq": receipt.seq, "outcome": receipt.outcomes[0].value}
    return await written(request, collection, key, receipt, wait_for)


@router.get("/documents/{key:path}", response_model=DocumentView, summary="Read a document")
def get_document(
    kb: Kb,
    caller: ReadCaller,
    collection: CollectionName,
    key: KeyPath,
    chunks: Annotated[bool, Query(description="Show the passages it was cut into.")] = False,
) -> Response:
    """A document as it is stored, for those who may read it."""
    documents, found = kb.catalog.documents, existing(kb, collection)
    if not chunks:
        return JsonResponse(_whole(collection, documents.get(found, key, caller.principal)))
    stored, cut = documents.with_chunks(found, key, caller.principal)
    passages = [_passage(collection, key, chunk) for _, chunk in cut]
    return JsonResponse(_whole(collection, stored) | {"passages": passages})


@router.get("/documents", response_model=DocumentPage, summary="List documents")
def list_documents(
    kb: Kb,
    caller: ReadCaller,
    collection: CollectionName,
    page: PageQuery,
    source: Annotated[Line | None, Query(description="Only this source's.")] = None,
    prefix: Annotated[Line, Query(description="Only keys that begin like this.")] = "",
    query: Annotated[Line, Query(description="Only those whose key or title contains this, in any case.")] = "",
    language: Annotated[str | None, Query(max_length=20, description="Only this language's (ISO 639-1).")] = None,
    filter: Annotated[
        Text | None, Query(max_length=20_000, description="Only what passes: conditions as in a search, as JSON text.")
    ] = None,
) -> Response:
    """The documents the caller may read, by key, without their text."""
    found = existing(kb, collection)
    stored = kb.catalog.documents.page(
        found,
        caller.principal,
        limit=page.limit,
        after=page.after_text(),
        source=source,
        prefix=prefix,
        words=query.strip(),
        language=language,
        filter=None if filter is None else parse_filter(_condition(filter)),
    )
    shown = [_summary(collection, one) for one in stored]
    following = page.next_cursor(stored, lambda one: one.document.key)
    return JsonResponse(page_json("documents", shown, following) | {"seq": found.last_seq})


@router.get("/documents:facets", response_model=DocumentFacets, summary="What documents can be narrowed by")
def document_facets(kb: Kb, caller: ReadCaller, collection: CollectionName) -> dict[str, Any]:
    """How many documents the caller may read, by source and by language."""
    sources: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    found = existing(kb, collection)
    for (source, language), count in kb.catalog.documents.facets(found, caller.principal).items():
        sources[source] += count
        languages[language] += count
    return {
        "documents": sources.total(),
        "sources": [{"source": name, "documents": count} for name, count in sources.most_common()],
        "languages": [{"language": name, "documents": count} for name, count in languages.most_common()],
        "seq": found.last_seq,
    }


def _condition(text: str) -> dict[str, Any]:
    try:
        condition = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ApiError(422, "invalid_request", f"filter is not JSON ({error}); expected an object") from None
    if not isinstance(condition, dict):
        raise ApiError(422, "invalid_request", 'filter is no object; expected one such as {"year": {"$gte": 2024}}')
    return condition


def _summary(collection: str, stored: StoredVersion) -> dict[str, Any]:
    document = stored.document
    return {
        "document_id": document_id(collection, document.key),
        "key": document.key,
        "title": document.title,
        "uri": document.uri,
        "source": document.source,
        "table": document.table,
        "language": document.language,
        "metadata": document.metadata,
        "acl": document.acl,
        "version": stored.version,
        "chunks": stored.chunks,
        "seq": stored.seq,
        "position": None if document.position is None else document.position.encode(),
        "as_of": (document.committed_at or stored.cataloged_at).isoformat(),
    }


def _whole(collection: str, stored: StoredVersion) -> dict[str, Any]:
    return _summary(collection, stored) | {"text": stored.document.text}


def _passage(collection: str, key: str, chunk: Chunk) -> dict[str, Any]:
    return {
        "chunk_id": chunk_id(collection, key, chunk.ordinal),
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "heading": chunk.heading,
        "page": chunk.page,
    }
