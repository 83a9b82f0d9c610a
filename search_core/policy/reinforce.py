"""The loss of REINFORCE with a baseline and an entropy bonus (Williams 1992; Zoph & Le 2017)."""

from __future__ import annotations

import torch
from torch import Tensor


def reinforce_loss(log_probability: Tensor, advantage: Tensor, entropy: Tensor, bonus: float) -> Tensor:
    """A scalar whose negative gradient is the policy gradient; all arguments have one entry for each architecture.

    `log_probability` of all choices of an architecture, `advantage` its reward less a baseline that does not depend on
    the choices (so that it lowers the variance and leaves the mean), `entropy` of its choices, `bonus` its weight.
    """
    return -(advantage.detach() * log_probability + bonus * entropy).mean()


def masked_log_softmax(logits: Tensor, legal: Tensor) -> Tensor:
    """Log probabilities along the last axis; what is not legal has probability 0 and no gradient.

    `legal` has the shape of `logits` and at least one true entry in each row.
    """
    return torch.log_softmax(logits.masked_fill(~legal, torch.finfo(logits.dtype).min), dim=-1)


def entropy_of(log_probabilities: Tensor, legal: Tensor) -> Tensor:
    """The entropy along the last axis, in nats."""
    spread = log_probabilities.exp() * log_probabilities.masked_fill(~legal, 0.0)
    return -spread.masked_fill(~legal, 0.0).sum(dim=-1)
