"""Feedback and evaluation sets over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from api.wire.base import WORDS_WITHOUT_NUL, CollectionName, Json, Key, Line, Number, Request, Response, Text
from retrieval.types import MAX_QUERY_LENGTH

Question = Annotated[Text, Field(min_length=1, max_length=MAX_QUERY_LENGTH, pattern=WORDS_WITHOUT_NUL)]
Grades = dict[Key, Annotated[int, Field(ge=0, le=100)]]
Answer = Annotated[Line, Field(pattern=WORDS_WITHOUT_NUL)]
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
    plan: Annotated[
        Line | None,
        Field(
            description="Digest of the plan that searched or answered, as its response tells it: while a rollout "
            "serves a share, the rating counts for that plan. Without it, it counts for the one that serves you now."
        ),
    ] = None


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


class _Judged(Request):
    """What is known of a question: which documents are relevant, what a right answer says, or both."""

    text: Question
    judgements: Grades = Field(
        default_factory=dict, max_length=10_000, description="Document key: grade; 0 is judged and not relevant."
    )
    answers: list[Answer] | None = Field(
        None, max_length=100, description="Right answers, each by itself; []: it has none; null: not known."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.judgements and self.answers is None:
            raise ValueError("neither judgements nor answers are given; expected one of both")
        return self


class EvalQuestion(_Judged):
    """A question with judged documents, right answers or both."""

    id: Annotated[Key, Field(description="Unique within the set.")]


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
                    "queries": [
                        {
                            "id": "q1",
                            "text": "How long is the warranty?",
                            "judgements": {"faq/1": 1},
                            "answers": ["24 months", "two years"],
                        }
                    ],
                }
            ]
        },
    )

    collection: CollectionName
    name: SetName
    queries: Annotated[list[EvalQuestion], Field(min_length=1, max_length=100_000)]


class RatedSetBody(Request):
    """The name of an evaluation set that is made of feedback."""

    collection: CollectionName
    name: SetName


class EvalCaseBody(_Judged):
    """A question to be judged: which documents are right, and what a right answer says."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"collection": "docs", "text": "How long is the warranty?", "judgements": {"faq/1": 1, "faq/9": 0}}
            ]
        },
    )

    collection: CollectionName


class EvalCase(Response):
    """A question of a set as it stands now."""

    eval_set: str
    id: str
    text: str
    judgements: dict[str, int]
    answers: list[str] | None = Field(description="Right answers; []: it has none; null: not known.")


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


class RunSlice(Response):
    """What the plan is worth on one kind of question, such as those in Chinese."""

    name: str = Field(description="A language such as english, mixed (Chinese and English), other; short or long.")
    queries: int
    metrics: dict[str, float]
    interval: tuple[float, float] = Field(description="Of ndcg@10, 95 %; that of few questions says little.")


class RunChange(Response):
    """What changed since the run before that saw the same documents."""

    against: int = Field(description="That run's number.")
    questions: int = Field(description="Questions that both asked, in equal words and with equal judgements.")
    left_out: int = Field(0, description="Questions of both that were worded or judged anew.")
    difference: float | None = Field(description="Of ndcg@10, later less earlier.")
    worse: list[str] = Field(description="Metrics whose difference lies wholly below 0 by its 95 % interval.")
    better: list[str]
    worse_slices: list[str]


class EvalRun(Response):
    """What the plan was worth on the set: means with 95 % bootstrap intervals."""

    id: int
    at: datetime = Field(description="When it ended.")
    principal: str
    rights: str = Field(description="Equal where two runs saw the same documents.")
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    slices: list[RunSlice]
    change: RunChange | None
    queries: int
    p50_ms: float
    p95_ms: float
    plan: dict[str, Any]
    plan_id: int | None = Field(description="Number of the stored plan; null: the built-in default, or none stored.")
    plan_name: str
    encoder_fingerprint: str
    seq: int = Field(description="The collection's last operation when it began.")


class EvalRunPage(Response):
    """A page of runs, newest first."""

    runs: list[EvalRun]
    next_cursor: str | None


Verdict = Literal["worse", "alike", "better"]


class MetricChange(Response):
    """A metric before and after, and the difference with its paired 95 % bootstrap interval."""

    before: float
    after: float
    mean: float
    interval: tuple[float, float]
    p_value: float | None = Field(description="Paired randomisation test; null for very many questions.")
    verdict: Verdict


class SliceChange(Response):
    """The difference in ndcg@10 on one kind of question."""

    name: str
    queries: int
    before: float
    after: float
    mean: float
    interval: tuple[float, float]
    verdict: Verdict


class EvalComparison(Response):
    """What changed between two runs, on the questions that both asked."""

    run: int
    against: int
    same_rights: bool = Field(description="Whether both saw the same documents.")
    questions: int = Field(description="Asked by both in equal words and with equal judgements.")
    left_out: int = Field(description="Of both, but worded or judged anew: they say nothing of the search.")
    metrics: dict[str, MetricChange]
    slices: list[SliceChange]
    won: int = Field(description="Questions with a higher ndcg@10.")
    lost: int


class RunQuestion(Response):
    """One question of a run."""

    id: str
    text: str
    kinds: list[str]
    values: dict[str, float]
    ranks: dict[str, int | None] = Field(description="Where each relevant document stood; null: not among 100.")
    before: dict[str, float] | None
    ranks_before: dict[str, int | None] | None
    difference: float | None


class RunQuestionPage(Response):
    """A page of questions."""

    questions: list[RunQuestion]
    next_cursor: str | None
