"""Plans and the audit log over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.wire.base import CollectionName, Json, Line, Request, Response


class PlanBody(Request):
    """A plan to be stored; it does not serve yet."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"collection": "docs", "name": "words first", "plan": {"dense_weight": 0.3}}]},
    )

    collection: CollectionName
    name: Annotated[Line, Field(min_length=1)]
    plan: Json = Field(description="The choices that differ from the default.")


class SwitchBody(Request):
    """Which collection's serving plan changes, and why."""

    collection: CollectionName
    reason: Line = ""
    seen: Annotated[int, Field(ge=1, lt=2**63)] | Literal["default"] | None = Field(
        None,
        alias="from",
        description="The plan that you saw serving, a number or `default`. Where another one serves by now nothing "
        "changes (409). Without it a rollback is refused within seconds of another.",
    )


class PlanView(Response):
    """A plan."""

    id: int | None = Field(description="null: the built-in default.")
    name: str
    plan: dict[str, Any]
    digest: str
    origin: str
    serving: bool
    created_at: datetime | None


class PlanPage(Response):
    """A page of stored plans, oldest first, the one that serves, and the one that served before."""

    plans: list[PlanView]
    serving: PlanView
    former: PlanView | None = Field(description="What a rollback returns to; null: no plan was ever promoted.")
    next_cursor: str | None


class Difference(Response):
    """One choice in which two plans differ."""

    field: str
    one: Any
    other: Any


class PlanDifference(Response):
    """The choices in which two plans differ."""

    differences: list[Difference]


class AuditView(Response):
    """One act."""

    id: int
    at: datetime
    principal: str
    action: str
    target: str
    detail: dict[str, Any]
    request_id: str


class AuditPage(Response):
    """A page of acts, newest first."""

    audit: list[AuditView]
    next_cursor: str | None
