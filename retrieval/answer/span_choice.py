"""From the scores of a window's tokens to the best span of the passage, in characters."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.answer.reader_input import Window

Scores = NDArray[np.float32]  # (tokens, 2): start and end logits


class ScoredSpan(NamedTuple):
    """Characters `start` to `end` of the passage; `margin` is its logit less that of "no answer"."""

    start: int
    end: int
    margin: float


def best_span(window: Window, scores: Scores, answer_tokens: int) -> ScoredSpan | None:
    """The span of whole words with the highest start plus end, of at most so many tokens.

    None where no token has a character, where the words are longer than that, and where scores are no numbers.
    """
    inside = slice(window.first, window.first + len(window.spans))
    starts, ends = scores[inside, 0], scores[inside, 1]
    real = np.array([end > start for start, end in window.spans], dtype=bool)
    first_fits, last_fits = real & np.array(window.begins, dtype=bool), real & np.array(window.closes, dtype=bool)
    sums = np.where(first_fits, starts, -np.inf)[:, None] + np.where(last_fits, ends, -np.inf)[None, :]
    rows = np.arange(len(starts))
    length = rows[None, :] - rows[:, None]
    sums[(length < 0) | (length >= answer_tokens)] = -np.inf
    if not sums.size:
        return None
    first, last = np.unravel_index(int(sums.argmax()), sums.shape)
    margin = float(sums[first, last]) - float(scores[0, 0] + scores[0, 1])
    return ScoredSpan(window.spans[first][0], window.spans[last][1], margin) if math.isfinite(margin) else None
