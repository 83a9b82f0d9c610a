"""What every route that writes documents shares: from wire to domain, and what it answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query, Request
from starlette.requests import ClientDisconnect

from api.http.responses import JsonResponse
from api.http.waits import TooManyWaitingError
from api.services import of_request
from api.wire.documents import DocumentBody
from retrieval.catalog import Receipt
from retrieval.catalog.documents import document_id
from retrieval.errors import NotYetSearchableError
from retrieval.types import Document, SourcePosition

WaitFor = Annotated[
    Literal["committed", "searchable"],
    Query(description="`searchable`: answer when searches see the write (202 when that takes too long)."),
]


async def wait(request: Request, collection: str, seq: int, collection_id: int | None, wait_for: str) -> bool:
    """Whether searches were waited for and see `seq` now. Raises `NotFoundError` where the collection was deleted.

    False, too, where too many wait, and where the client has left: the write is safe, and the audit log must have it.
    """
    if wait_for != "searchable":
        return False
    served = of_request(request)
    timeout = served.kb.settings.request_timeout_seconds
    try:
        await served.waits.until_searchable(request, collection, seq, timeout, collection_id)
    except (NotYetSearchableError, TooManyWaitingError, ClientDisconnect):
        return False
    return True


def write_status(searchable: bool, wait_for: str) -> int:
    """200, or 202 where the write is safe but searches do not see it in time."""
    return 202 if wait_for == "searchable" and not searchable else 200


async def written(request: Request, collection: str, key: str, receipt: Receipt, wait_for: str) -> JsonResponse:
    """What one write answers."""
    searchable = await wait(request, collection, receipt.seq, receipt.collection_id, wait_for)
    shown: dict[str, Any] = {
        "document_id": document_id(collection, key),
        "key": key,
        "outcome": receipt.outcomes[0].value,
        "seq": receipt.seq,
        "searchable": searchable,
    }
    return JsonResponse(shown, write_status(searchable, wait_for))


def document_of(key: str, body: DocumentBody) -> Document:
    """The document that a request describes; a title alone is its own text."""
    return Document(
        key=key,
        text=body.text or body.title,
        title=body.title,
        uri=body.uri,
        language=body.language,
        metadata=body.metadata,
        acl=None if body.acl is None else tuple(body.acl),
        position=position_of(body.version),
    )


def position_of(version: int | None) -> SourcePosition | None:
    """A client's version as the position that orders its writes; None is newer than all."""
    return None if version is None else SourcePosition((version,))
