"""The audit log, for operators of all collections."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from api.dependencies import Kb, Operator, PageQuery
from api.paging import page_json
from api.routes.failures import GUARDED
from api.wire.operations import AuditPage

router = APIRouter(prefix="/audit", tags=["operations"], responses=GUARDED)


@router.get("", response_model=AuditPage)
def list_audit(kb: Kb, caller: Operator, page: PageQuery) -> dict[str, Any]:
    """Writes, admin acts and denials, newest first."""
    found = kb.catalog.audit.page(page.limit, page.after_number())
    return page_json("audit", [asdict(one) for one in found], page.next_cursor(found, lambda one: one.id))
