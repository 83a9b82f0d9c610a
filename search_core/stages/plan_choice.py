"""Which of the plans that were scored is chosen: by all questions that they were compared on, or without some."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from retrieval.catalog.eval_sets import EvalQuery
from search_core.spaces.plan_mapping import changes
from search_core.stages.plan_tier import Scored, choose


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """The plans that may be chosen, the one that changes nothing among them, and the questions with their places."""

    scored: tuple[Scored, ...]
    incumbent: Scored
    places: tuple[int, ...]
    questions: tuple[EvalQuery, ...]

    @property
    def whole(self) -> Scored:
        """The choice by all questions."""
        return self._by(self.scored, self.incumbent, self.questions)

    def without(self, held: Collection[int]) -> Scored:
        """The choice by the questions that are not at these places; its values are of those.

        Which plans were worth all questions after a first look is decided by some of all: one that leaves there is far
        from the best, whichever fold is held out.
        """
        rows = [row for row, place in enumerate(self.places) if place not in held]
        if not rows:
            return self.incumbent
        left = [replace(one, values=one.values[rows]) for one in self.scored]
        incumbent = next(few for few, one in zip(left, self.scored, strict=True) if one is self.incumbent)
        return self._by(tuple(left), incumbent, tuple(self.questions[row] for row in rows))

    def only(self, scored: Collection[Scored]) -> PlanChoice:
        """The same among fewer plans."""
        return replace(self, scored=tuple(scored))

    @staticmethod
    def _by(scored: tuple[Scored, ...], incumbent: Scored, questions: tuple[EvalQuery, ...]) -> Scored:
        return choose(scored, incumbent, lambda one: changes(one.architecture, incumbent.architecture), questions)
