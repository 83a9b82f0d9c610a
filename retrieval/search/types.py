"""What is searched for, and what a search gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from retrieval.catalog.documents import StoredChunk
from retrieval.errors import InvalidInputError
from retrieval.filters import Filter
from retrieval.plan import Plan
from retrieval.ranking.fusion import Fused
from retrieval.search.highlights import Fragment
from retrieval.search.relevance import Evidence
from retrieval.search.spelling import Correction
from retrieval.types import MAX_QUERY_LENGTH

MAX_TOP_K = 1_000
CHUNKS_PER_DOCUMENT = 3  # candidates asked for each document wanted, so that grouping leaves enough of them


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to search for. Grouped by document, a document counts once, with its best chunk."""

    query: str
    top_k: int | None = None  # None: the plan's
    filter: Filter | None = None
    group_by: Literal["document", "chunk"] = "document"
    highlight: bool = True
    correct: bool = True  # mistyped words, see spelling.py
    relevance: bool = False  # whether it is to be estimated, see relevance.py

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise InvalidInputError("query is empty; expected at least one word")
        if len(self.query) > MAX_QUERY_LENGTH:
            raise InvalidInputError(f"query has {len(self.query)} characters; expected at most {MAX_QUERY_LENGTH}")
        if self.top_k is not None and not 1 <= self.top_k <= MAX_TOP_K:
            raise InvalidInputError(f"top_k is {self.top_k}; expected 1 to {MAX_TOP_K}")


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that matched, as the catalog has it now."""

    document_id: str
    chunk_id: str
    score: float
    chunk: StoredChunk
    highlights: tuple[Fragment, ...]
    fused: Fused
    rerank_score: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first. `seq` is the operation they include at least; `stages` are milliseconds by stage."""

    hits: tuple[Hit, ...]
    seq: int
    as_of: datetime
    plan: Plan
    took_ms: float
    coverage: float
    stages: dict[str, float] = field(default_factory=dict)
    degraded: tuple[str, ...] = ()  # legs and learned parts that it went without, or that are of an older state
    overtaken: bool = False  # passages that belong among the hits were replaced or deleted before they could be shown
    arm: str = ""  # serving or candidate, while a share of the searches is served by a plan that is rolled out
    corrections: tuple[Correction, ...] = ()  # of words that were mistyped: what was searched for instead
    evidence: Evidence | None = None  # where relevance was asked for

    @property
    def relevance(self) -> float | None:
        """The estimated probability that the hits are about the query; None where that was not asked for."""
        return None if self.evidence is None else self.evidence.relevance
