"""Many documents at once as JSON lines: each line stands for itself, and the answer says what became of it."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.responses import Response

from api.dependencies import CollectionName, Kb, State, WriteCaller, existing
from api.errors import ApiError
from api.http.responses import JsonResponse
from api.knowledge_base import KnowledgeBase
from api.routes.failures import GUARDED
from api.routes.writes import WaitFor, document_of, position_of, wait, write_status
from api.wire.documents import BulkDeletion, BulkDocument, BulkResponse
from ingest.changes import Change
from retrieval.catalog.documents import document_id
from retrieval.types import Deletion

LINES_PER_COMMIT = 500
MAX_LINES = 100_000  # of one request; the answer names each of them

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One JSON object a line."},
                "example": '{"id": "faq/1", "title": "Drives", "text": "24 months"}\n{"id": "faq/2", "deleted": true}',
            }
        },
    }
}

router = APIRouter(prefix="/collections/{collection}", tags=["documents"], responses=GUARDED)


@dataclass(slots=True)
class _Work:
    """What became of the lines so far."""

    seq: int = 0
    collection_id: int | None = None  # None: nothing was written
    items: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)


@router.post(
    "/documents:bulk",
    response_model=BulkResponse,
    responses={
        202: {"model": BulkResponse, "description": "Written; searches do not see all of it yet."},
        207: {"model": BulkResponse, "description": "Some lines do not fit; the others are written."},
    },
    openapi_extra=_BODY,
    summary="Write many documents",
)
async def write_documents(
    kb: Kb,
    caller: WriteCaller,
    collection: CollectionName,
    request: Request,
    state: State,
    wait_for: WaitFor = "committed",
) -> Response:
    """Write and delete documents, a JSON line each. Lines that do not fit are told and left out."""
    lines = [part async for part in request.stream()]

    def write() -> tuple[_Work, Counter[str]]:
        existing(kb, collection)
        body = b"".join(lines)
        lines.clear()  # so that nobody who waits holds so much
        work = _write(kb, collection, body)
        return work, Counter(item["outcome"] for item in work.items)

    work, counts = await run_in_threadpool(write)
    state.detail |= {"seq": work.seq, "counts": dict(counts), "failed": len(work.failures)}
    searchable = await wait(request, collection, work.seq, work.collection_id, wait_for)
    shown = {
        "seq": work.seq,
        "counts": counts,
        "items": work.items,
        "failures": work.failures,
        "searchable": searchable,
    }
    status = 207 if work.failures else write_status(searchable, wait_for)
    return await run_in_threadpool(JsonResponse, shown, status)  # of up to 100,000 lines


def _write(kb: KnowledgeBase, collection: str, body: bytes) -> _Work:
    work = _Work()
    changes = _changes(_lines(body), work)
    while part := list(islice(changes, LINES_PER_COMMIT)):
        receipt = kb.write(collection, [change for _, change in part])
        work.seq, work.collection_id = receipt.seq, receipt.collection_id
        for (number, change), outcome in zip(part, receipt.outcomes, strict=True):
            named = {"document_id": document_id(collection, change.key), "key": change.key}
            work.items.append({"line": number, **named, "outcome": outcome.value})
    if not work.items:
        message = f"no line fits: {work.failures[0]['message']}" if work.failures else "the body holds no line"
        raise ApiError(422, "invalid_lines", f"{message}; expected one JSON object a line", detail=work.failures)
    return work


def _lines(body: bytes) -> list[tuple[int, bytes]]:
    body = body.removeprefix(codecs.BOM_UTF8)  # which Windows programs put there
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    if len(lines) > MAX_LINES:
        raise ApiError(422, "invalid_lines", f"the body has {len(lines)} lines; send at most {MAX_LINES} at once")
    return lines


def _changes(lines: list[tuple[int, bytes]], work: _Work) -> Iterator[tuple[int, Change]]:
    """The lines that fit, with their numbers; the others are noted as failures."""
    for number, line in lines:
        try:
            yield number, _change(from_json(line, allow_inf_nan=False))
        except ValueError as error:  # of which pydantic's is one
            work.failures.append({"line": number, "message": _explain(error)})


def _change(content: Any) -> Change:
    if isinstance(content, dict) and content.get("deleted") is True:
        gone = BulkDeletion.model_validate(content)
        return Deletion(gone.id, position=position_of(gone.version))
    line = BulkDocument.model_validate(content)
    return document_of(line.id, line)


def _explain(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg']}"
    return f"not JSON ({error})"
