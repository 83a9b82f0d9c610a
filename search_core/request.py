"""Everything that decides a run; stored with the experiment, so that it can be resumed and replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from retrieval.catalog.rollouts import Stage
from retrieval.encoder.pretrained import PRETRAINED
from retrieval.errors import InvalidInputError
from retrieval.evaluation.runs import Metric
from search_core.questions.splits import BY_DOCUMENT, SPLITS

DEFAULT_SPACE = "gnn-lm-v1"
ANSWER_TASK = "answer"  # not to find documents, but which model answers from them
MAX_SEED = 2**31 - 1  # that every generator of random numbers takes
MAX_THREADS = 256
AT_ONCE = "none"
WAYS = (AT_ONCE, Stage.SHADOW.value, Stage.CANARY.value)  # for a proven winner to go out
MAX_LATENCY_MS = 600_000  # ten minutes, which no search or answer takes
SEALED = "sealed_hashes"  # kept beside the fields once the run has begun (search_core.proof.earlier_tests)
QUESTIONS = ("queries", "qrels", "answers", "parts", SEALED)  # fields that tell the questions themselves
DEFAULT_POLICY = "auto"  # random on the plan tier, where trials are cheap; else the controller, as long as it wins


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller asks for.

    Without `queries` and `qrels` an evaluation set is taken, else questions are made from the corpus, as they are
    wherever `made_questions` says so. Raises `InvalidInputError` for options that exclude each other.
    """

    task: str = "text-to-graph"
    search_space: str = DEFAULT_SPACE
    max_epochs: int = 50
    collection: str = "default"
    budget: str | float = "5m"
    seed: int = 0
    policy: str = DEFAULT_POLICY
    eval_set: str = ""
    queries: Mapping[str, str] | None = None
    qrels: Mapping[str, Mapping[str, int]] | None = None
    promote: bool = True
    against: Mapping[str, Any] | None = None  # a plan to be compared with, instead of the one that serves
    tiers: str = ""  # names of `search_core.tiers.TIERS` with commas; "": by the budget
    answers: Mapping[str, Sequence[str]] | None = None  # question id -> its right answers, none: it has none
    parts: Mapping[str, str] | None = None  # question id -> fit, choose or sealed; None: dealt by the seed
    earlier_runs: int | None = None  # how many runs of the archive the policy is told; None: all there are
    earlier_tests: int | None = None  # runs that tested on the same sealed questions; None: counted at its own test
    rollout: str = AT_ONCE  # how a proven winner goes out: it serves at once, or step by step: shadow, canary
    tensorboard: bool = False  # write event files beside the log
    device: str = "cpu"  # where encoders are trained, as PyTorch names it
    threads: int = 1  # that train encoders; equal numbers give equal bytes
    fast: bool = False  # train encoders in bf16 where that is faster; a replay agrees then, within a tolerance
    encoders: str = ""  # names with commas that the encoder tier may begin from, beside the one that serves
    timed: Mapping[str, Any] | None = None  # what the clock decided in the run that this repeats, or goes on with
    split: str = BY_DOCUMENT  # what no two parts have in common, where that is possible: a document, or a question
    made_questions: bool = False  # ask what is made from the corpus, also where there are evaluation sets
    space_text: str = ""  # of a search space that is a file: what it was when the run began; "": it is registered
    metric: str = ""  # what is chosen and proven by, a `retrieval.evaluation.runs.Metric`; "": the task's own
    latency_ms: float | None = None  # that a search, or an answer, may take; None: what the task's sentence says

    def __post_init__(self) -> None:
        if self.rollout not in WAYS:
            raise InvalidInputError(f"rollout is {self.rollout!r}; expected one of {', '.join(WAYS)}")
        if self.split not in SPLITS:
            raise InvalidInputError(f"split is {self.split!r}; expected one of {', '.join(SPLITS)}")
        if not 0 <= self.seed <= MAX_SEED:
            raise InvalidInputError(f"seed is {self.seed}; expected a whole number from 0 to {MAX_SEED}")
        if self.latency_ms is not None and not 0 < self.latency_ms <= MAX_LATENCY_MS:
            raise InvalidInputError(
                f"latency_ms is {self.latency_ms:g}; expected milliseconds above 0, at most {MAX_LATENCY_MS}"
            )
        if not 1 <= self.threads <= MAX_THREADS:
            raise InvalidInputError(f"threads is {self.threads}; expected a whole number from 1 to {MAX_THREADS}")
        for name in self.other_encoders:
            if name not in PRETRAINED:
                raise InvalidInputError(f"encoders has {name!r}; expected some of {', '.join(PRETRAINED)}, with commas")
        if self.made_questions and (self.eval_set or self.qrels is not None or self.answers is not None):
            raise InvalidInputError(
                "made_questions asks for questions made from the corpus, and judged ones are given too; expected either"
            )
        if self.metric:
            Metric.named(self.metric)
            if self.task == ANSWER_TASK:
                raise InvalidInputError(
                    f"metric is {self.metric!r}, and task {ANSWER_TASK!r} is judged by the quality of answers; "
                    "leave metric out"
                )
        if self.made_questions and self.task == ANSWER_TASK:
            raise InvalidInputError(
                f"made_questions have no known answers, which task {ANSWER_TASK!r} compares; leave made_questions out"
            )

    @property
    def other_encoders(self) -> tuple[str, ...]:
        """The names in `encoders`, in their order, each once."""
        return tuple(dict.fromkeys(name.strip() for name in self.encoders.split(",") if name.strip()))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Request:
        """The inverse of `to_dict`."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})


def without_questions(request: Mapping[str, Any]) -> dict[str, Any]:
    """A stored request as it may be shown: its questions and answers, which may quote documents, are only counted."""
    counts = {
        "judged_questions": len(request.get("qrels") or ()),
        "answered_questions": len(request.get("answers") or ()),
    }
    return {name: value for name, value in request.items() if name not in QUESTIONS} | counts
