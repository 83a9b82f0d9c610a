"""Collections: create, list, look at, change, delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter

from api.dependencies import AdminCaller, CollectionName, Kb, PageQuery, ReadCaller, State, existing
from api.errors import forbidden
from api.http.paging import page_json
from api.routes.failures import GUARDED, failures
from api.wire.administration import (
    CollectionBody,
    CollectionChange,
    CollectionDetail,
    CollectionPage,
    CollectionView,
)
from retrieval.catalog import Collection, CollectionSettings

router = APIRouter(prefix="/collections", tags=["collections"], responses=GUARDED)


@router.post("", status_code=201, response_model=CollectionView, responses=failures(409), summary="Make a collection")
def create_collection(body: CollectionBody, kb: Kb, caller: AdminCaller, state: State) -> dict[str, Any]:
    """Make an empty collection."""
    state.target = body.name
    if not caller.reaches(body.name):
        raise forbidden(f"the key is limited to collections without {body.name!r}")
    changes = _changes(body)
    if body.chunk_tokens is not None:
        changes["chunk_tokens"] = body.chunk_tokens
    return _view(kb.create_collection(body.name, replace(CollectionSettings(), **changes)))


@router.get("", response_model=CollectionPage, summary="List the collections")
def list_collections(kb: Kb, caller: ReadCaller, page: PageQuery) -> dict[str, Any]:
    """The collections that the key covers, by name."""
    after = page.after_text()
    found = [one for one in kb.catalog.collections.all() if caller.reaches(one.name) and one.name > after]
    shown = found[: page.limit]
    return page_json("collections", [_view(one) for one in shown], page.next_cursor(shown, lambda one: one.name))


@router.get("/{collection}", response_model=CollectionDetail, summary="Look at a collection")
def get_collection(kb: Kb, caller: ReadCaller, collection: CollectionName) -> dict[str, Any]:
    """A collection, how much it holds, and how far searches are behind."""
    found = existing(kb, collection)
    documents, chunks = kb.catalog.documents.counts(found)
    return _view(found) | {"documents": documents, "chunks": chunks} | kb.freshness(collection)


@router.patch("/{collection}", response_model=CollectionView, summary="Change a collection's settings")
def change_collection(
    kb: Kb, caller: AdminCaller, collection: CollectionName, body: CollectionChange, state: State
) -> dict[str, Any]:
    """Change settings; what is left out stays. Dictionary and synonyms rebuild the word index before this answers."""
    existing(kb, collection)
    changes = _changes(body)
    state.detail |= {"changed": sorted(changes)}
    changed = kb.catalog.collections.change_settings(collection, **changes)
    if changes:
        kb.serve_anew(collection)
    return _view(changed)


@router.delete("/{collection}", status_code=204, summary="Delete a collection")
def delete_collection(kb: Kb, caller: AdminCaller, collection: CollectionName) -> None:
    """Delete a collection with everything in it."""
    existing(kb, collection)
    kb.drop_collection(collection)


def _changes(body: CollectionChange) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if body.default_acl is not None:
        changes["default_acl"] = tuple(body.default_acl)
    if body.dictionary is not None:
        changes["dictionary"] = tuple(body.dictionary)
    if body.synonyms is not None:
        changes["synonyms"] = tuple(tuple(words) for words in body.synonyms)
    return changes


def _view(collection: Collection) -> dict[str, Any]:
    settings = collection.settings
    return {
        "name": collection.name,
        "encoder": collection.encoder,
        "default_acl": settings.default_acl,
        "chunk_tokens": settings.chunk_tokens,
        "dictionary": settings.dictionary,
        "synonyms": settings.synonyms,
        "last_seq": collection.last_seq,
        "plan_id": collection.plan_id,
        "created_at": collection.created_at,
    }
