"""Where a collection's documents come from, and what could not be read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path

from api.dependencies import Admin, CollectionQuery, Kb, PageQuery, Reader, existing
from api.paging import page_json
from api.routes.failures import GUARDED
from api.wire.administration import DeadLetterPage, DeadLetterView, SourcePage
from retrieval.catalog.sources import DeadLetterRecord
from retrieval.errors import NotFoundError

LetterId = Annotated[int, Path(ge=1, le=2**63 - 1, description="Number of the dead letter.", examples=[1])]

router = APIRouter(tags=["operations"], responses=GUARDED)


@router.get("/sources", response_model=SourcePage, summary="List sources")
def list_sources(kb: Kb, caller: Reader, collection: CollectionQuery, page: PageQuery) -> dict[str, Any]:
    """The sources of a collection, by name, and how far each was read."""
    after = page.after_text()
    found = [one for one in kb.catalog.sources.all(existing(kb, collection)) if one.name > after][: page.limit]
    items = [{"name": s.name, "kind": s.kind, "cursor": s.cursor, "updated_at": s.updated_at} for s in found]
    return page_json("sources", items, page.next_cursor(found, lambda one: one.name))


@router.get("/dead-letters", response_model=DeadLetterPage, summary="List dead letters")
def list_dead_letters(kb: Kb, caller: Admin, collection: CollectionQuery, page: PageQuery) -> dict[str, Any]:
    """What could not become a document, in the order it came, without what was received."""
    letters = kb.catalog.sources.dead_letters(existing(kb, collection), page.limit, page.after_number() or 0)
    return page_json("dead_letters", [_letter(one) for one in letters], page.next_cursor(letters, lambda one: one.id))


@router.get("/dead-letters/{letter_id}", response_model=DeadLetterView, summary="Look at a dead letter")
def get_dead_letter(kb: Kb, caller: Admin, collection: CollectionQuery, letter_id: LetterId) -> dict[str, Any]:
    """One dead letter with what was received, as text."""
    letters = kb.catalog.sources.dead_letters(existing(kb, collection), 1, letter_id - 1)
    if not letters or letters[0].id != letter_id:
        raise NotFoundError(f"dead letter {letter_id} does not exist in collection {collection!r}")
    payload = letters[0].payload
    return _letter(letters[0]) | {"payload": None if payload is None else payload.decode(errors="replace")}


@router.delete("/dead-letters/{letter_id}", status_code=204, summary="Drop a dead letter")
def drop_dead_letter(kb: Kb, caller: Admin, collection: CollectionQuery, letter_id: LetterId) -> None:
    """Forget one dead letter; its input stays unread until its source sends it again."""
    kb.catalog.sources.drop_dead_letter(existing(kb, collection), letter_id)


def _letter(letter: DeadLetterRecord) -> dict[str, Any]:
    return {name: value for name, value in asdict(letter).items() if name != "payload"}
