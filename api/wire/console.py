"""What the console reads beside the public routes: its session, the overview."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.wire.base import WITHOUT_NUL, Request, Response

Credential = Annotated[str, Field(min_length=1, max_length=16_384, pattern=WITHOUT_NUL)]


class LoginBody(Request):
    """Who wants to log in."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"examples": [{"key": "kb_…"}]}
    )

    key: Credential = Field(description="An API key.")


class SessionView(Response):
    """Who is logged in to the console."""

    name: str = Field(description="The key's name, or whom the identity provider named.")
    scope: str = Field(description="read, write or admin.")
    collections: tuple[str, ...] | None = Field(description="null: all.")
    groups: tuple[str, ...]
    csrf: str = Field(description="To be sent as X-CSRF-Token with every request that changes something.")
    expires_at: datetime


class LoginWays(Response):
    """How one may log in here."""

    key: bool = True
    oidc: bool = Field(description="Whether GET /console/login/oidc leads to an identity provider.")


class CollectionNow(Response):
    """A collection now."""

    name: str
    documents: int
    chunks: int
    last_seq: int
    searchable_seq: int | None = Field(description="null: not open in this process.")
    lag: int | None = Field(description="Operations that searches here do not see yet.")


class SourceNow(Response):
    """A source now; connector and lag of live databases only."""

    collection: str
    name: str
    kind: str
    state: str
    updated_at: datetime
    dead_letters: int
    connector: str | None
    lag_events: int | None
    lag_seconds: float | None
    problems: tuple[str, ...] = Field(description="For scope admin.")
    notices: int = Field(description="Changed columns and the like in the last 7 days.")


class AlertView(Response):
    """What a person should know; a translation goes by `code` and `params`."""

    code: str
    severity: Literal["info", "warning", "error"]
    message: str
    collection: str = Field(description="Empty: all.")
    source: str
    params: dict[str, Any]


class StepView(Response):
    """Ten seconds of this process."""

    at: datetime
    seconds: float
    requests: int
    errors: int
    searches: int
    p50_ms: float | None = Field(description="Of searches; null without any.")
    p95_ms: float | None
    operations: int = Field(description="Changes written, by whomever.")
    lag: int
    open_jobs: int


class FreshnessBucket(Response):
    """How many changes took no longer than that, and longer than the bucket before says."""

    seconds: float | None = Field(description="null: beyond the last bound.")
    count: int


class FreshnessView(Response):
    """How long changes of a source took until searches here saw them, since this process started."""

    collection: str
    source: str
    since: Literal["source", "catalog"] = Field(description="Counted from the commit there.")
    count: int
    mean_seconds: float
    buckets: list[FreshnessBucket]


class Overview(Response):
    """How everything stands, as far as the caller's rights reach."""

    at: datetime
    collections: list[CollectionNow]
    sources: list[SourceNow]
    jobs: dict[str, int] = Field(description="How many by state; empty for a key of some collections.")
    alerts: list[AlertView]
    history: list[StepView] = Field(description="The last hour; empty for a key of some collections.")
    freshness: list[FreshnessView]


class ModuleView(Response):
    """An exchangeable part."""

    kind: str
    name: str
    summary: str
    origin: str


class ModuleList(Response):
    """All of them."""

    modules: list[ModuleView]
