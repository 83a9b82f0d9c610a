"""Questions that are asked more than once: a copy is no further evidence, so a test counts what is asked once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog.eval_sets import words_of


def groups_of(texts: Sequence[str]) -> list[list[int]]:
    """Places of questions that ask the same, in the order in which each is first asked."""
    found: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        found.setdefault(words_of(text), []).append(place)
    return list(found.values())


def once(values: NDArray[np.float64], groups: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """(groups,) the mean of each group; the values themselves where every group is one question."""
    return np.array([values[list(places)].mean() for places in groups], np.float64)
