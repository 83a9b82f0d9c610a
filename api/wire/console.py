"""What the console reads beside the public routes: its session, the overview."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

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
