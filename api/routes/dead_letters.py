"""What could not become a document: list, show, try again, drop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from api.dependencies import AdminCaller, CollectionQuery, Kb, PageQuery, existing
from api.http.paging import MAX_ID, page_json
from api.routes.failures import GUARDED
from api.sources.dead_letter_rows import about
from api.sources.dead_letters import replay
from api.wire.administration import DeadLetterPage, DeadLetterView, DroppedLetters, Replay
from ingest.kafka.replay import Replayed
from retrieval.catalog.sources import DeadLetterRecord

LetterId = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the dead letter.", examples=[1])]
SourceQuery = Annotated[
    str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="Only letters of this source.")
]

FAILURES_TOLD = 20  # of one replay; each letter says why it failed

router = APIRouter(tags=["operations"], responses=GUARDED)


@router.get("/dead-letters", response_model=DeadLetterPage, summary="List dead letters")
def list_dead_letters(
    kb: Kb, caller: AdminCaller, collection: CollectionQuery, page: PageQuery, source: SourceQuery = None
) -> dict[str, Any]:
    """What could not become a document, in the order it came, without what was received."""
    letters = kb.catalog.sources.dead_letters(existing(kb, collection), page.limit, page.after_number() or 0, source)
    return page_json("dead_letters", [_letter(one) for one in letters], page.next_cursor(letters, lambda one: one.id))


@router.post("/dead-letters/replay", response_model=Replay, summary="Try dead letters again")
def replay_dead_letters(
    kb: Kb, caller: AdminCaller, collection: CollectionQuery, page: PageQuery, source: SourceQuery = None
) -> dict[str, Any]:
    """Each message of a live source goes the way of any other once more; what became newer meanwhile stays."""
    record = existing(kb, collection)
    letters = kb.catalog.sources.dead_letters(record, page.limit, page.after_number() or 0, source)
    return _told(replay(kb, record, letters)) | {"next_cursor": page.next_cursor(letters, lambda one: one.id)}


@router.delete("/dead-letters", response_model=DroppedLetters, summary="Drop all dead letters")
def drop_dead_letters(
    kb: Kb, caller: AdminCaller, collection: CollectionQuery, source: SourceQuery = None
) -> dict[str, Any]:
    """Forget the dead letters of a collection, or of one of its sources."""
    return {"dropped": kb.catalog.sources.drop_dead_letters(existing(kb, collection), source)}


@router.get("/dead-letters/{letter_id}", response_model=DeadLetterView, summary="Look at a dead letter")
def get_dead_letter(kb: Kb, caller: AdminCaller, collection: CollectionQuery, letter_id: LetterId) -> dict[str, Any]:
    """One dead letter with what was received, as text, and what is stored of the same row and document."""
    record = existing(kb, collection)
    letter = kb.catalog.sources.dead_letter(record, letter_id)
    return _letter(letter) | {"payload": _text(letter.payload)} | about(kb, record, letter)


@router.post("/dead-letters/{letter_id}/replay", response_model=Replay, summary="Try a dead letter again")
def replay_dead_letter(kb: Kb, caller: AdminCaller, collection: CollectionQuery, letter_id: LetterId) -> dict[str, Any]:
    """As for all of them; a letter that fails again stays, with the reason of today."""
    record = existing(kb, collection)
    return _told(replay(kb, record, [kb.catalog.sources.dead_letter(record, letter_id)]))


@router.delete("/dead-letters/{letter_id}", status_code=204, summary="Drop a dead letter")
def drop_dead_letter(kb: Kb, caller: AdminCaller, collection: CollectionQuery, letter_id: LetterId) -> None:
    """Forget one dead letter; its input stays unread until its source sends it again."""
    kb.catalog.sources.drop_dead_letter(existing(kb, collection), letter_id)


def _letter(letter: DeadLetterRecord) -> dict[str, Any]:
    values = {name: value for name, value in asdict(letter).items() if name != "payload"}
    headers = [{"name": name, "value": _text(value)} for name, value in letter.headers]
    return values | {"message_key": _text(letter.message_key), "headers": headers}


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="replace")


def _told(replayed: Sequence[Replayed]) -> dict[str, Any]:
    failed = [one for one in replayed if one.reason]
    told = [{"id": one.letter.id, "key": one.letter.key, "reason": one.reason} for one in failed[:FAILURES_TOLD]]
    return {"replayed": len(replayed) - len(failed), "failed": len(failed), "failures": told}
