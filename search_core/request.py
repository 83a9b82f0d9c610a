"""Everything that decides a run; stored with the experiment, so that it can be resumed and replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from retrieval.errors import InvalidInputError
from search_core.going_out import WAYS

DEFAULT_SPACE = "gnn-lm-v1"
DEFAULT_POLICY = "auto"  # random on the plan tier, where trials are cheap, the controller where they are dear


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller asks for. Without `queries` and `qrels` an evaluation set is taken, else the corpus is asked."""

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
    rollout: str = "none"  # how a proven winner goes out: none: it serves at once; shadow, canary: step by step
    tensorboard: bool = False  # write event files beside the log
    device: str = "cpu"  # where encoders are trained, as PyTorch names it

    def __post_init__(self) -> None:
        if self.rollout not in WAYS:
            raise InvalidInputError(f"rollout is {self.rollout!r}; expected one of {', '.join(WAYS)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Request:
        """The inverse of `to_dict`."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})
