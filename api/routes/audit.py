"""The audit log, for operators of all collections."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.dependencies import Kb, Operator, PageQuery
from api.http.paging import page_json
from api.routes.failures import GUARDED
from api.wire.operations import AuditPage

Part = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$", description="Only acts that have this in it.")]

router = APIRouter(prefix="/audit", tags=["operations"], responses=GUARDED)


@router.get("", response_model=AuditPage)
def list_audit(
    kb: Kb, caller: Operator, page: PageQuery, principal: Part = "", action: Part = "", target: Part = ""
) -> dict[str, Any]:
    """Writes, admin acts and denials, newest first."""
    found = kb.catalog.audit.page(page.limit, page.after_number(), principal=principal, action=action, target=target)
    return page_json("audit", [asdict(one) for one in found], page.next_cursor(found, lambda one: one.id))
