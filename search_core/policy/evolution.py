"""Regularised evolution: parents win a small tournament, the oldest die whatever their merit (Real et al. 2019)."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

from search_core.policy.book import Book
from search_core.policy.contract import NO_BRIEFING, Briefing, Trial
from search_core.policy.plain import RandomDraws
from search_core.spaces.architecture import Architecture
from search_core.spaces.space import SearchSpace

POPULATION = 20  # Real et al. keep 100 of 20,000 trials; a search here has tens to hundreds
TOURNAMENT = 5  # a quarter of the population, as there


class Evolution:
    """Mutates the best of a few members drawn at random; a new result drives the oldest out."""

    def __init__(self, space: SearchSpace, seed: int, briefing: Briefing = NO_BRIEFING) -> None:
        self._space = space
        self._rng = random.Random(seed)  # noqa: S311 - a seeded draw is what is wanted
        self._book = Book()
        self._first = RandomDraws(space, seed, book=self._book)
        self._population: deque[Trial] = deque(maxlen=POPULATION)
        self._mutants = 0

    def ask(self, count: int) -> list[Architecture]:
        """Random architectures until the population is full, then children of it."""
        return [architecture for _ in range(count) if (architecture := self._one()) is not None]

    def _one(self) -> Architecture | None:
        if len(self._population) == POPULATION and (child := self._book.fresh(self._child)) is not None:
            self._mutants += 1
            return child
        return next(iter(self._first.ask(1)), None)

    def _child(self) -> Architecture:
        drawn = self._rng.sample(list(self._population), TOURNAMENT)
        parent = max(drawn, key=lambda trial: trial.reward)
        return self._space.mutate(parent.architecture, self._rng)

    def tell(self, trials: Sequence[Trial]) -> None:
        """New results join the population; failed ones only are not asked again."""
        kept = self._book.add(trials)
        self._population.extend(trial for trial in kept if not trial.failed)

    def report(self) -> dict[str, Any]:
        """How many trials it was told of, and how many of its questions were mutants."""
        told = {"trials": self._book.told, "failures": self._book.failures}
        return {"policy": "evolution", **told, "mutants": self._mutants, "steps_back": False}
