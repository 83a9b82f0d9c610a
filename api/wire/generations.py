"""Generations over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.wire.base import Request, Response

GenerationStateName = Literal["building", "ready", "serving", "standby", "retired"]


class GenerationView(Response):
    """One generation of a collection: what its views and embeddings are made by, and where it stands."""

    id: int
    state: GenerationStateName
    encoder: str
    fingerprint: str
    chunking: int = Field(description="Generations with the same number share their passages.")
    chunker: str
    chunk_tokens: int
    dictionary: list[str]
    synonyms: list[list[str]]
    evidence: dict[str, Any] | None = Field(description="Parity of counts and, with an evaluation set, both metrics.")
    created_at: datetime
    ready_at: datetime | None
    activated_at: datetime | None
    retired_at: datetime | None


class GenerationList(Response):
    """Every generation, oldest first."""

    generations: list[GenerationView]


class ActivateBody(Request):
    """How a generation is let serve."""

    force: bool = Field(False, description="Also when it is worse on the evaluation set.")
