"""How much some questions prove: what is asked twice counts once, and what one document answers stands together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray

from retrieval.catalog.eval_sets import EvalQuery
from search_core.questions.splits import NOTHING, document_links, independent_groups
from search_core.repeats import groups_of

Values = NDArray[np.float64]
Groups = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """`asked`: places of questions that ask the same. `linked`: rows of `asked` that depend on each other."""

    asked: Groups
    linked: Groups
    _asked_by: NDArray[np.int64] = field(init=False, repr=False)  # (questions,) row of `asked`
    _linked_by: NDArray[np.int64] = field(init=False, repr=False)  # (asked,) row of `linked`

    def __post_init__(self) -> None:
        object.__setattr__(self, "_asked_by", _rows(self.asked))
        object.__setattr__(self, "_linked_by", _rows(self.linked))

    @classmethod
    def of(cls, questions: Sequence[EvalQuery], texts: Mapping[str, str] = NOTHING) -> Evidence:
        """Of these questions, at least one. `texts`: what each document says, by key; equal ones are one document."""
        return cls.linked_by([question.text for question in questions], document_links(questions, texts))

    @classmethod
    def linked_by(cls, texts: Sequence[str], links: Sequence[Sequence[str]]) -> Evidence:
        """Of questions that ask these texts; those with a link in common depend on each other."""
        asked = groups_of(texts)
        return cls(asked, independent_groups([[link for place in same for link in links[place]] for same in asked]))

    def once(self, values: Values) -> Values:
        """(asked,) the mean of what asks the same."""
        return np.bincount(self._asked_by, weights=values) / np.bincount(self._asked_by)

    def gain(self, differences: Values) -> tuple[float, float]:
        """The mean of (asked,) paired differences and its standard error, infinite where all depend on each other.

        Questions that depend on each other err together: the error is that of clusters (Liang and Zeger 1986), which
        is the usual one where each question is a cluster.
        """
        mean, count = float(differences.mean()), len(self.linked)
        if count < 2:
            return mean, inf
        off = np.bincount(self._linked_by, weights=differences - mean)
        return mean, float(np.sqrt((off**2).sum() * count / (count - 1))) / len(differences)

    def is_worse(self, values: Values, best: Values) -> bool:
        """Whether (questions,) values are worse by more than one standard error of their paired differences."""
        if not np.any(values - best):
            return False
        gain, error = self.gain(self.once(values - best))
        return gain < -error


def _rows(groups: Groups) -> NDArray[np.int64]:
    """For each place the row of the group that it is in."""
    rows = np.empty(sum(map(len, groups)), np.int64)
    for row, places in enumerate(groups):
        rows[list(places)] = row
    return rows
