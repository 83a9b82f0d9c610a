"""Weights between two models of one shape: often better than either (WiSE-FT, Wortsman et al. 2022), and 0 is neither.

Rows that only the tuned vocabulary has cannot be interpolated: they stay as tuned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from search_core.errors import TrainingError

if TYPE_CHECKING:
    import torch


def interpolate(
    base: Mapping[str, torch.Tensor], tuned: Mapping[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """`base` at share 0, `tuned` at 1, straight between. Raises `TrainingError` for models of different shapes."""
    missing = sorted(set(tuned) - set(base))
    if missing:
        raise TrainingError(f"the tuned model has tensor {missing[0]!r}, which its base lacks; expected one shape")
    return {name: _between(name, base[name], weight, share) for name, weight in tuned.items()}


def _between(name: str, base: torch.Tensor, tuned: torch.Tensor, share: float) -> torch.Tensor:
    if base.shape[1:] != tuned.shape[1:] or len(base.shape) != len(tuned.shape):
        raise TrainingError(f"tensor {name} has shape {tuple(tuned.shape)}, its base {tuple(base.shape)}")
    if not tuned.is_floating_point():
        return tuned.clone()
    mixed = tuned.clone()
    rows = slice(None) if base.dim() == 0 else slice(0, base.shape[0])
    mixed[rows] = base + share * (tuned[rows] - base) if base.dim() else base + share * (tuned - base)
    return mixed
