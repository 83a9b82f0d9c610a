"""Feedback and evaluation sets over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.wire.base import CollectionName, Json, Key, Line, Number, Request, Response, Text
from retrieval.retriever import MAX_QUERY_LENGTH

Question = Annotated[Text, Field(min_length=1, max_length=MAX_QUERY_LENGTH, pattern=r"\S")]
SetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="Name of the set.")]


class FeedbackBody(Request):
    """What somebody thought of a result."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"collection": "docs", "query": "warranty", "document_key": "faq/1", "rating": 1}]
        },
    )

    collection: CollectionName
    query: Question
    document_key: Key | None = None
    rating: Annotated[Literal[-1, 1], Field(description="1 helpful, -1 not.")]
    comment: Line = ""


class FeedbackView(Response):
    """A stored judgement."""

    id: int
    at: datetime
    principal: str
    query: str
    document_key: str | None
    rating: int
    comment: str


class FeedbackPage(Response):
    """A page of judgements, newest first."""

    feedback: list[FeedbackView]
    next_cursor: str | None


class Created(Response):
    """The number of what was stored."""

    id: int


class EvalQuestion(Request):
    """A question with judged documents."""

    id: Annotated[Key, Field(description="Unique within the set.")]
    text: Question
    judgements: dict[Key, Annotated[int, Field(ge=0, le=100)]] = Field(
        min_length=1, description="Document key: grade; 0 is judged and not relevant."
    )


class EvalSetBody(Request):
    """An evaluation set to be stored."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "collection": "docs",
                    "name": "support-2024",
                    "queries": [{"id": "q1", "text": "How long is the warranty?", "judgements": {"faq/1": 1}}],
                }
            ]
        },
    )

    collection: CollectionName
    name: SetName
    queries: Annotated[list[EvalQuestion], Field(min_length=1, max_length=100_000)]


class EvalSetView(Response):
    """A set without its questions."""

    name: str
    queries: int
    created_at: datetime


class EvalSetDetail(EvalSetView):
    """A set with its questions."""

    questions: list[dict[str, Any]]


class EvalSetPage(Response):
    """A page of sets, by name."""

    eval_sets: list[EvalSetView]
    next_cursor: str | None


class EvalRunBody(Request):
    """How to run a set."""

    collection: CollectionName
    plan: Number | Literal["default"] | Json | None = Field(None, description="As in a search.")
    background: bool = Field(False, description="Run as a job, whatever the set's size.")


class EvalRun(Response):
    """What the plan is worth on the set: means with 95 % bootstrap intervals."""

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    queries: int
    p50_ms: float
    p95_ms: float
    plan: dict[str, Any]
