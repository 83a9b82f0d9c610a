"""Rollouts of plans over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.wire.base import CollectionName, Line, Request, Response

Share = Annotated[float, Field(gt=0, le=1, description="Of the searches: compared in shadow, served in canary.")]

Seen = Literal["shadow", "canary", "full"]
SEEN = Field(
    None,
    alias="from",
    description="The stage that you saw. Where the rollout is at another one by now nothing changes (409).",
)


class RolloutBody(Request):
    """How a plan is to go out."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"collection": "docs", "stage": "canary", "share": 0.1}]},
    )

    collection: CollectionName
    stage: Literal["shadow", "canary"] = Field("shadow", description="What it begins with.")
    share: Share = 0.1
    unit: Literal["session", "query"] = Field(
        "session",
        description="What always gets the same plan: a session (header X-Session-Id, else the caller), or a query of a "
        "caller, where all requests come with one key.",
    )
    advance_after: int = Field(
        0, ge=0, le=10**9, description="Go on by itself after so many searches without regress; 0: by hand."
    )
    answer_ms: float = Field(
        0,
        ge=0,
        le=600_000,
        description="What an answer of another answer model may take; 0: 1.3 times what answers take now.",
    )
    reason: Line = ""


class AdvanceBody(Request):
    """The next step: canary, at a tenth at most unless a share is named; a larger share; without one, everybody."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"collection": "docs", "share": 0.5}]}
    )

    collection: CollectionName
    share: Share | None = None
    reason: Line = ""
    seen: Seen | None = SEEN


class StopBody(Request):
    """Which collection's rollout ends, and why."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"collection": "docs", "reason": "not now"}]}
    )

    collection: CollectionName
    reason: Line = ""
    seen: Seen | None = SEEN


class ArmView(Response):
    """What was counted of one plan at one stage."""

    searches: int
    errors: int
    empty: int = Field(description="Searches without a hit.")
    helpful: int
    unhelpful: int
    p50_ms: float | None
    p95_ms: float | None
    answers: int = Field(description="Counted where the rollout exchanges the answer model.")
    answers_failed: int = Field(description="Answers that another model had to give.")
    answer_p95_ms: float | None


class CheckView(Response):
    """One comparison of the two."""

    name: str = Field(description="errors, empty, unhelpful, latency, answers or answer latency.")
    candidate: float | None = Field(description="Share of its searches; null: none yet.")
    serving: float | None
    evidence: float | None = Field(description="E-value that the candidate is worse; null: beyond all numbers.")
    limit: float = Field(description="From here on it is rolled back.")
    is_worse: bool
    words: str


class StageView(Response):
    """What was counted at one stage, by all processes."""

    stage: str
    serving: ArmView
    candidate: ArmView
    pairs: int = Field(description="Searches that both plans answered in the background.")
    left_out: int = Field(description="Searches that were not compared for want of time.")
    overlap: float | None = Field(description="Mean share of the first 10 documents that both found.")
    checks: list[CheckView]


class RolloutView(Response):
    """A rollout."""

    id: int
    collection: str
    plan_id: int | None = Field(description="The candidate; null: the built-in default.")
    previous_id: int | None = Field(description="What served when it began.")
    stage: str = Field(description="shadow, canary; ended: full, stopped, rolled_back, superseded.")
    share: float
    unit: str
    advance_after: int
    answers: bool = Field(description="Whether it exchanges the answer model.")
    answer_ms: float | None = Field(description="What an answer may take; null: 1.3 times what answers take now.")
    by: str
    reason: str = Field(description="Of its last step.")
    began_at: datetime
    changed_at: datetime
    ended_at: datetime | None
    stages: list[StageView]


class RolloutPage(Response):
    """A page of rollouts, newest first."""

    rollouts: list[RolloutView]
    next_cursor: str | None
