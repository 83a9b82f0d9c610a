"""What can be chosen about the tuning of an encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from search_core.tuning.training_model import TrainingOptions


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """The encoder tier's decisions. The defaults are what was measured best; see docs/tuning-models.md."""

    training: TrainingOptions = field(default_factory=TrainingOptions)
    vocabulary: Literal["none", "extend"] = "extend"  # extends only beyond `least_unknown`
    least_unknown: float = 0.05  # share of unknown tokens from which the vocabulary is extended
    hard_negatives: int = 0  # mined ones per labelled question and step
    interpolations: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    new_language_rate: float = 1e-4  # used instead of `training.rate` where the vocabulary is extended
    held_out: int = 200  # questions the interpolation is chosen on, at most a fifth of the labelled
