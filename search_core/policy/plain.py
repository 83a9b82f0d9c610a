"""Policies that learn nothing: random draws and an even grid. Every learned policy is shown beside them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from search_core.policy.book import Book
from search_core.policy.contract import NO_BRIEFING, Briefing, Trial
from search_core.spaces.architecture import Architecture
from search_core.spaces.counting import Counting
from search_core.spaces.space import SearchSpace

GOLDEN = (math.sqrt(5) - 1) / 2  # a stride of this share of the grid spreads every first part of it evenly


class Grid:
    """Every architecture once, in an order of which each beginning covers the whole space evenly.

    The order is a lattice through the numbered architectures (a stride without a common divisor with their number), so
    that a grid too large to finish is still a fair one. The seed chooses where it begins.
    """

    def __init__(
        self, space: SearchSpace, seed: int, briefing: Briefing = NO_BRIEFING, *, book: Book | None = None
    ) -> None:
        self._counting = Counting(space)
        self._book = book or Book()
        size = self._counting.size
        self._stride = next(s for s in range(max(1, int(size * GOLDEN)), size + 2) if math.gcd(s, size) == 1)
        self._start = random.Random(seed).randrange(size)  # noqa: S311 - a seeded draw is what is wanted
        self._next = 0

    def ask(self, count: int) -> list[Architecture]:
        """The next architectures of the grid that are not known yet; none when all were asked."""
        found: list[Architecture] = []
        while len(found) < count and self._next < self._counting.size:
            place = (self._start + self._next * self._stride) % self._counting.size
            self._next += 1
            architecture = self._counting.at(place)
            if architecture not in self._book:
                self._book.note(architecture)
                found.append(architecture)
        return found

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember what was run, so that it is not asked again."""
        self._book.add(trials)

    def report(self) -> dict[str, Any]:
        """How much of the grid was visited."""
        told = {"trials": self._book.told, "failures": self._book.failures}
        return {"policy": "grid", **told, "visited": self._next, "size": self._counting.size, "steps_back": False}


class RandomDraws:
    """Each decision drawn evenly, nothing asked twice; the measure of every other policy (Bergstra & Bengio 2012)."""

    name = "random"

    def __init__(
        self, space: SearchSpace, seed: int, briefing: Briefing = NO_BRIEFING, *, book: Book | None = None
    ) -> None:
        self._space = space
        self._rng = random.Random(seed)  # noqa: S311 - a seeded draw is what is wanted
        self._book = book or Book()  # another policy that draws at random shares its own
        self._rest = Grid(space, seed, book=self._book)  # what random draws no longer find when nearly all was asked

    def ask(self, count: int) -> list[Architecture]:
        """Architectures not asked before; fewer when the space is used up."""
        drawn = (self._book.fresh(self._draw) for _ in range(count))
        found = [architecture for architecture in drawn if architecture is not None]
        return found + self._rest.ask(count - len(found))

    def _draw(self) -> Architecture:
        return self._space.sample(self._rng)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember what was run, so that it is not asked again."""
        self._book.add(trials)

    def report(self) -> dict[str, Any]:
        """How many trials it was told of."""
        told = {"trials": self._book.told, "failures": self._book.failures}
        return {"policy": self.name, **told, "steps_back": False}


class EvenDraws(RandomDraws):
    """Each architecture drawn with the same chance, so that a choice that opens many others is made more often."""

    name = "even"

    def __init__(
        self, space: SearchSpace, seed: int, briefing: Briefing = NO_BRIEFING, *, book: Book | None = None
    ) -> None:
        super().__init__(space, seed, briefing, book=book)
        self._counting = Counting(space)

    def _draw(self) -> Architecture:
        return self._counting.at(self._rng.randrange(self._counting.size))
