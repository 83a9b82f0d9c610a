"""Search over the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.wire.base import CollectionName, Groups, Json, Number, Request, Response, Text
from retrieval.retriever import MAX_QUERY_LENGTH, MAX_TOP_K

AsGroups = Annotated[
    Groups | None,
    Field(description="See only what these groups may read. Keys narrow to groups they have, admin keys to any."),
]
FilterField = Annotated[
    Json | None,
    Field(description="Conditions on metadata: $and $or $not $eq $ne $in $nin $gt $gte $lt $lte $exists."),
]


class SearchBody(Request):
    """What to look for."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"query": "How long is the warranty?", "collection": "docs", "top_k": 5},
                {
                    "query": "保修期多长",
                    "collection": "docs",
                    "filter": {"year": {"$gte": 2024}},
                    "explain": True,
                    "min_seq": 0,
                },
            ]
        },
    )

    query: Annotated[Text, Field(min_length=1, max_length=MAX_QUERY_LENGTH, description="Words or a question.")]
    collection: CollectionName
    top_k: Annotated[int | None, Field(ge=1, le=MAX_TOP_K, description="Most hits; without it, the plan's.")] = None
    filter: FilterField = None
    plan: Annotated[
        Number | Literal["default"] | Json | None,
        Field(description="A stored plan's number, `default`, or a plan itself; without it, the one that serves."),
    ] = None
    min_seq: Annotated[Number, Field(description="See at least this write: the `seq` that it returned.")] = 0
    explain: Annotated[bool, Field(description="Show each leg's rank and score, and time by stage.")] = False
    group_by: Annotated[
        Literal["document", "chunk"], Field(description="A document once, with its best chunk; or every chunk.")
    ] = "document"
    highlight: Annotated[bool, Field(description="Show where the words of the query stand.")] = True
    as_groups: AsGroups = None


class Highlight(Response):
    """A stretch of the text; `marks` are (start, end) of matching words within it."""

    text: str
    marks: list[tuple[int, int]]


class SourcePlace(Response):
    """Where the document comes from."""

    name: str
    table: str
    key: str
    position: str | None


class Leg(Response):
    """What one leg of the search gave to the score."""

    rank: int | None = None
    score: float
    weight: float | None = None
    contribution: float | None = None


class Explanation(Response):
    """The score by legs; a leg that did not find the hit is null."""

    sparse: Leg | None
    dense: Leg | None
    graph: Leg | None
    rerank: Leg | None


class Hit(Response):
    """A passage that was found, as the catalog has it now."""

    document_id: str
    chunk_id: str
    key: str
    score: float
    title: str
    text: str
    heading: str
    page: int | None
    start: int
    end: int
    language: str
    highlights: list[Highlight]
    uri: str | None
    source: SourcePlace
    metadata: dict[str, Any]
    version: int
    as_of: str
    explain: Explanation | None = None


class SearchResponse(Response):
    """Hits, best first. They include at least the write `seq`."""

    hits: list[Hit]
    seq: int
    as_of: str
    took_ms: float
    plan: str = Field(description="Digest of the plan that searched.")
    degraded: tuple[str, ...] = Field(
        (), description="Legs (sparse, dense) that did not answer, or answered from an older state."
    )
    stages: dict[str, float] | None = Field(None, description="Milliseconds by stage, when asked to explain.")
    coverage: float | None = Field(None, description="Share of the query's letters the encoder knows, when asked.")
