"""API keys: create (shown once), list, revoke."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path

from api.dependencies import Authentication, Kb, Operator, PageQuery, State
from api.errors import ApiError
from api.http.paging import moment_position, page_json
from api.routes.failures import GUARDED
from api.wire.administration import KeyBody, KeyPage, KeyView, NewKey

router = APIRouter(prefix="/keys", tags=["keys"], responses=GUARDED)
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$", description="The key's public part.", examples=["9f86d081"])]


@router.post("", status_code=201, response_model=NewKey, summary="Make a key")
def create_key(body: KeyBody, kb: Kb, caller: Operator, state: State) -> dict[str, Any]:
    """Make a key. Its text is in this response and nowhere else."""
    now = datetime.now(UTC)
    expires_at = body.expires_at or now + timedelta(days=body.days)
    if expires_at <= now:
        raise ApiError(422, "invalid_request", f"expires_at {expires_at.isoformat()} has passed; expected a later time")
    record, key = kb.catalog.keys.create(
        body.name, body.scope, collections=body.collections, groups=body.groups, expires_at=expires_at
    )
    state.target = record.id
    state.detail |= {"scope": record.scope.value, "collections": record.collections, "groups": record.groups}
    return asdict(record) | {"key": key}


@router.get("", response_model=KeyPage, summary="List the keys")
def list_keys(kb: Kb, caller: Operator, page: PageQuery) -> dict[str, Any]:
    """Every key without its secret, revoked ones included, oldest first."""
    found = kb.catalog.keys.page(page.limit, page.after_moment())
    shown = [asdict(record) for record in found]
    return page_json("keys", shown, page.next_cursor(found, lambda key: moment_position(key.created_at, key.id)))


@router.delete("/{key_id}", response_model=KeyView, summary="Revoke a key")
def revoke_key(key_id: KeyId, kb: Kb, caller: Operator, authentication: Authentication) -> dict[str, Any]:
    """Make a key useless at once."""
    kb.catalog.keys.revoke(key_id)
    authentication.forget()
    return asdict(kb.catalog.keys.get(key_id))
