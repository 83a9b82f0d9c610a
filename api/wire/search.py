"""Search over the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.wire.base import WORDS_WITHOUT_NUL, CollectionName, Groups, Json, Key, Number, Request, Response, Text
from retrieval.search.types import MAX_TOP_K
from retrieval.types import MAX_QUERY_LENGTH

AsGroups = Annotated[
    Groups | None,
    Field(description="See only what these groups may read. Keys narrow to groups they have, admin keys to any."),
]
FilterField = Annotated[
    Json | None,
    Field(
        description="Conditions on metadata: $and $or $not $eq $ne $in $nin $gt $gte $lt $lte $contains $prefix "
        "$suffix $exists."
    ),
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
    correct: Annotated[
        bool, Field(description="Search for the nearest word of the documents instead of one that none of them has.")
    ] = True
    relevance: Annotated[
        bool, Field(description="Estimate how likely the hits are about the query; scores tell only their order.")
    ] = False
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
    """What one leg of the search gave to the score.

    Rank and score are null where the leg was cut before it found the hit; `contribution` is what is assumed then.
    """

    rank: int | None = None
    score: float | None
    weight: float | None = None
    contribution: float | None = None


class GraphLeg(Leg):
    """What the corpus graph gave to the score, or took from it; see docs/graph.md."""

    edges: str = Field(description="Over which edges: dense, words, structure, links.")
    via: str | None = Field(description="The name or address that connects, where the hit itself has it.")
    source: str | None = Field(description="The chunk that gave most, where it is among the hits.")


class PrecedentLeg(Response):
    """What judged questions near this one gave to the score; see docs/precedents.md."""

    contribution: float
    share: float = Field(description="0 to 1: the weighted share of the near questions that this document answered.")
    nearest: float = Field(description="Cosine of the nearest of them.")


class Explanation(Response):
    """The score by legs; a leg that gave nothing is null."""

    sparse: Leg | None
    dense: Leg | None
    feedback: float = Field(0.0, description="What likeness to the first candidates added.")
    graph: GraphLeg | None
    precedents: PrecedentLeg | None = None
    ranker: float = Field(0.0, description="What a learned ranker added, see docs/learning-to-rank.md.")
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


class CorrectedWord(Response):
    """A word that nothing the caller may read has, and the word of the documents that was searched for instead."""

    typed: str = Field(alias="from")
    meant: str = Field(alias="to")


class SearchResponse(Response):
    """Hits, best first. They include at least the write `seq`."""

    hits: list[Hit]
    seq: int
    as_of: str
    took_ms: float
    plan: str = Field(description="Digest of the plan that searched.")
    arm: Literal["serving", "candidate"] | None = Field(
        None, description="Which plan that is, while a rollout serves a share of the searches."
    )
    degraded: tuple[str, ...] = Field(
        (),
        description="What the search went without, or found in an older state: sparse, dense, attributes, graph, "
        "adapter, ranker or precedents.",
    )
    corrections: list[CorrectedWord] = Field([], description="Mistyped words; `correct` false searches as typed.")
    relevance: float | None = Field(
        None, description="How likely the hits are about the query, 0 to 1, when asked; below 0.3 probably not."
    )
    stages: dict[str, float] | None = Field(None, description="Milliseconds by stage, when asked to explain.")
    coverage: float | None = Field(None, description="Share of the query's letters the encoder knows, when asked.")


class WhyBody(Request):
    """A search, and the document that is looked for in it."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"query": "How long is the warranty?", "collection": "docs", "key": "faq/1", "top_k": 5}]
        },
    )

    query: Annotated[Text, Field(min_length=1, max_length=MAX_QUERY_LENGTH, pattern=WORDS_WITHOUT_NUL)]
    collection: CollectionName
    key: Annotated[Key, Field(description="The document's key.")]
    top_k: Annotated[int | None, Field(ge=1, le=MAX_TOP_K, description="Most hits; without it, the plan's.")] = None
    filter: FilterField = None
    plan: Annotated[
        Number | Literal["default"] | Json | None,
        Field(description="A stored plan's number, `default`, or a plan itself; without it, the one that serves."),
    ] = None
    as_groups: AsGroups = None


class LegFinding(Response):
    """What one leg makes of the document's best passage."""

    leg: str = Field(description="sparse (words) or dense (meaning).")
    used: bool = Field(description="Whether the plan asks this leg.")
    answers: bool
    depth: int = Field(description="How many passages a search asks it for.")
    looked_at: int = Field(description="How many passages the rank was looked for among.")
    rank: int | None = Field(description="Among the passages this search may return; null: not among those looked at.")
    score: float | None = Field(description="Whatever the rights and the filter; null: the leg does not find it.")
    chunk_id: str | None


class QueryWord(Response):
    """A word of the query."""

    word: str
    found: bool = Field(description="Whether the document has it.")


class WhyResponse(Response):
    """Where the document ended, and what shows it."""

    verdict: Literal[
        "found",
        "outranked",
        "too_deep",
        "no_match",
        "filtered",
        "forbidden",
        "not_searchable",
        "deleted",
    ] = Field(
        description="found; outranked: others score higher; too_deep: every leg ranks it below its depth; no_match: no "
        "leg finds it; filtered; forbidden: by the groups that search; not_searchable: not yet; deleted."
    )
    key: str
    top_k: int | None = None
    place: int | None = Field(None, description="Among documents; null: below all that were compared.")
    score: float | None = None
    last_score: float | None = Field(None, description="Of the last hit that the search returns.")
    explain: Explanation | None = None
    legs: list[LegFinding] = []
    words: list[QueryWord] = []
    document_groups: list[str] = []
    groups: list[str] | None = Field(None, description="The groups that searched; null: they may read everything.")
    passes_filter: bool = True
    corrections: list[CorrectedWord] = Field([], description="Mistyped words of the query.")
    seq: int | None = Field(None, description="The document's last write.")
    searchable_seq: int | None = Field(None, description="The last write that searches see.")
    deleted_at: str | None = None
