"""Experiments of the search core over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.wire.base import CollectionName, Key, Line, Request, Response
from search_core.request import MAX_LATENCY_MS, MAX_THREADS

ModuleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Budget = Annotated[str, Field(pattern=r"^[0-9.hms ]{1,20}$", description="Time for the run, such as 90s, 5m or 1h30m.")]


class TuneArguments(Request):
    """Which experiment a job of kind `tune` runs, or goes on with."""

    experiment: str = Field(pattern=r"^[0-9a-f]{16}$", description="Id, as `POST /v1/experiments` gave it.")


class ExperimentBody(Request):
    """An experiment to be run."""

    collection: CollectionName
    task: Line = Field("text-to-graph", description="A task's name, or a sentence that says what is wanted.")
    search_space: ModuleName = Field("gnn-lm-v1", description="A registered search space.")
    policy: ModuleName = Field("auto", description="What proposes candidates; auto: what is best on each tier.")
    tiers: str = Field(
        "",
        pattern=r"^[a-z, ]{0,60}$",
        description="Some of plan, adapter, graph, encoder, ranker, precedents; empty: what the budget allows.",
    )
    max_epochs: int = Field(50, ge=1, le=100_000, description="How often the policy is asked.")
    budget: Budget = "5m"
    seed: int = Field(0, ge=0, le=2**31 - 1)
    eval_set: Key | Literal[""] = Field(
        "", description="Evaluation set; empty: the only one of at least 20 judged questions, or made from the corpus."
    )
    made_questions: bool = Field(False, description="Ask what is made from the corpus, whatever sets there are.")
    split: Literal["document", "question"] = Field(
        "document", description="What fitted, chosen by and sealed questions do not share, where that is possible."
    )
    metric: str = Field(
        "",
        pattern=r"^((ndcg|mrr|recall)@[1-9][0-9]{0,2})?$",
        description="What is chosen and proven by: ndcg, mrr or recall of the first 1 to 100 documents, such as "
        "recall@5; empty: the task's own, ndcg@10.",
    )
    latency_ms: float | None = Field(
        None,
        gt=0,
        le=MAX_LATENCY_MS,
        description="Milliseconds that a search, or an answer, may take; null: what the task's sentence says.",
    )
    promote: bool = Field(True, description="Let a proven winner serve.")
    rollout: Literal["none", "shadow", "canary"] = Field(
        "none", description="How it goes out: none: it serves at once; shadow or canary: a rollout begins."
    )
    tensorboard: bool = Field(False, description="Write TensorBoard's event files into the run's folder.")
    encoders: Line = Field(
        "", description="Encoders to consider beside the one that serves, names with commas, such as bge-small-zh-v1.5."
    )
    device: Line = Field("cpu", description="Where encoders are trained, as PyTorch names it, such as cuda.")
    threads: int = Field(1, ge=1, le=MAX_THREADS, description="Threads that train encoders on the processor.")
    fast: bool = Field(False, description="Train encoders in bf16 where that is faster; replays agree roughly.")


class ExperimentView(Response):
    """One experiment."""

    id: str
    collection: str
    state: str = Field(description="running, finished, stopped or failed.")
    request: dict[str, Any] = Field(description="What was asked for; of given questions only how many.")
    trials: int = Field(description="How many candidates were tried so far.")
    best: float | None = Field(description="The best mean on working questions so far.")
    lift: float | None = Field(description="Gain on sealed questions over what served.")
    p_value: float | None
    promoted: bool | None
    created_at: datetime
    finished_at: datetime | None


class ChoiceView(Response):
    """One choice of an architecture."""

    name: str
    tier: str = Field(description="plan, graph or encoder.")
    summary: str
    value: str | float | bool | None
    default: str | float | bool | None
    moved: bool = Field(description="Whether it differs from the default.")


class ChoiceGraphView(Response):
    """The choices in the order in which they are made; edges lead from a condition to what it made necessary."""

    nodes: list[ChoiceView]
    edges: list[tuple[int, int]] = Field(description="Pairs of places in `nodes`.")


class ExperimentDetail(ExperimentView):
    """One experiment with its result."""

    result: dict[str, Any] | None = Field(description="As `kb tune --json` prints it; where it failed, the error.")
    picture: str | None = Field(description="The chosen architecture as SVG.")
    graph: ChoiceGraphView | None = Field(description="The chosen architecture, to be drawn otherwise.")


class ExperimentStarted(ExperimentView):
    """An experiment that a job runs."""

    job: str = Field(description="Id of the job; cancelling it stops the experiment.")


class ExperimentPage(Response):
    """A page of experiments, newest first."""

    experiments: list[ExperimentView]
    next_cursor: str | None


class ComparedRow(Response):
    """The same of both."""

    name: str
    one: Any
    other: Any


class BothTried(Response):
    """Candidates that both scored on all working questions."""

    candidates: int
    apart_at_most: float | None
    best: list[ComparedRow] = Field(description="By plan, the best first.")


class ExperimentComparison(Response):
    """Two experiments beside each other."""

    asked: list[ComparedRow]
    came: list[ComparedRow]
    chosen: list[ComparedRow] = Field(description="Choices of the winners that differ.")
    parted: int | None = Field(description="The first trial that differs; null: both went the same way.")
    both_tried: BothTried


class TrialPage(Response):
    """A page of trials in order."""

    trials: list[dict[str, Any]]
    next_cursor: str | None
