"""Learns a `Ranker` of `retrieval.learned`: which features of a document tell that it answers, beside the plan's score.

Softmax cross-entropy over each question's candidates (ListNet, Cao et al. 2007; gains are the grades, as those of the
metrics), with an L2 penalty that draws weights to 0 and the plan's own weight to `SCALE`. The loss is convex, and
Newton's method finds its minimum: the same questions give the same bytes, without a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.learned.ranker import FEATURES
from search_core.errors import SupervisionError

SCALE = 20.0  # the plan's best score in the softmax, to begin with: so the first of a hundred has about half
MIN_SCALE = 2.0  # a plan's score that counts for less is no ground to stand on
MIN_DEVIATION = 1e-3  # of a feature; what hardly varies must not be blown up
STEPS = 50  # of Newton's method; some ten suffice
CONVERGED = 1e-8  # decrease of the loss

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """A question's documents: features (documents, features), the plan's scores 0 to 1, and grades (documents,)."""

    features: Floats
    scores: Floats
    grades: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Weighing:
    """(features,) each: weights in units of the plan's best score, and what standardises the features."""

    weights: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def fit_ranker(questions: Sequence[Judged], penalty: float) -> Weighing:
    """The weights. Raises `SupervisionError` where no question has a right answer among its candidates."""
    told = [one for one in questions if (one.grades > 0).any()]
    if not told:
        raise SupervisionError("no judged question has a right answer among its candidates; nothing can be learned")
    starts = np.cumsum([0, *(len(one.scores) for one in told)])[:-1]
    features = np.concatenate([one.features for one in told])
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), MIN_DEVIATION)
    scores = np.concatenate([one.scores for one in told])
    inputs = np.column_stack(((features - mean) / deviation, SCALE * scores))
    gains = np.concatenate([np.maximum(one.grades, 0).astype(np.float64) for one in told])
    sizes = np.diff(np.append(starts, len(scores)))
    targets = gains / np.repeat(np.add.reduceat(gains, starts), sizes)
    found = _minimum(inputs, targets, starts, sizes, penalty)
    plan = max(float(found[-1]) * SCALE, MIN_SCALE)
    return Weighing(*(np.asarray(array, np.float32) for array in (found[:-1] / plan, mean, deviation)))


def _minimum(inputs: Floats, targets: Floats, starts: NDArray[np.int64], sizes: NDArray[np.int64], l2: float) -> Floats:
    """(features + 1,) where the loss is least; the last is the share of `SCALE` that the plan's score has."""
    rest = np.zeros(len(FEATURES) + 1)
    rest[-1] = 1.0

    def look(weights: Floats) -> tuple[float, Floats]:
        """The loss, and the softmax (documents,)."""
        values = inputs @ weights
        values -= np.repeat(np.maximum.reduceat(values, starts), sizes)
        powers = np.exp(values)
        sums = np.add.reduceat(powers, starts)
        entropy = -(targets @ values) + np.log(sums).sum()
        return float(entropy / len(starts) + l2 * ((weights - rest) ** 2).sum()), powers / np.repeat(sums, sizes)

    weights = rest.copy()
    loss, softmax = look(weights)
    for _ in range(STEPS):
        weighted = inputs * softmax[:, None]
        means = np.add.reduceat(weighted, starts, axis=0)
        slope = inputs.T @ (softmax - targets) / len(starts) + 2 * l2 * (weights - rest)
        curvature = (inputs.T @ weighted - means.T @ means) / len(starts) + 2 * l2 * np.eye(len(weights))
        step = np.linalg.solve(curvature, slope)
        rate = 1.0
        while (told := look(weights - rate * step))[0] > loss and rate > 1e-4:
            rate /= 2
        if told[0] >= loss - CONVERGED:
            break
        weights, (loss, softmax) = weights - rate * step, told
    return weights
