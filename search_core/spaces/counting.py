"""How many architectures a space has, and the one at a given place, without listing them."""

from __future__ import annotations

from typing import TypeAlias

from search_core.errors import ArchitectureError
from search_core.spaces.architecture import Architecture
from search_core.spaces.scalar import Scalar, key
from search_core.spaces.space import SearchSpace

State: TypeAlias = tuple[int, tuple[tuple[str, tuple[str, Scalar]], ...]]


class Counting:
    """Numbers the architectures of a space from 0, the last decision changing fastest.

    What lies below a decision depends only on the choices that later conditions ask about, so that a space of 10^20
    architectures has a few hundred different counts.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._counts: dict[State, int] = {}
        self._needed: list[frozenset[str]] = [frozenset()]
        for decision in reversed(space.decisions):
            self._needed.append(self._needed[-1] | set(decision.when))
        self._needed.reverse()
        self.size = self._below(0, {})

    def at(self, place: int) -> Architecture:
        """The architecture of that number. Raises `ArchitectureError` outside 0 up to `size`."""
        if not 0 <= place < self.size:
            raise ArchitectureError(f"architecture number {place} of {self._space.name}; expected 0 to {self.size - 1}")
        made: dict[str, Scalar] = {}
        for depth, decision in enumerate(self._space.decisions):
            if not decision.asked(made):
                continue
            for value in decision.values:
                made[decision.name] = value
                below = self._below(depth + 1, made)
                if place < below:
                    break
                place -= below
        return Architecture(self._space.name, made)

    def _below(self, depth: int, made: dict[str, Scalar]) -> int:
        """How many ways there are to go on from these choices."""
        if depth == len(self._space.decisions):
            return 1
        made = {name: value for name, value in made.items() if name in self._needed[depth]}
        state = depth, tuple((name, key(value)) for name, value in sorted(made.items()))
        if state not in self._counts:
            decision = self._space.decisions[depth]
            asked = decision.asked(made)
            ways = [made | {decision.name: value} for value in decision.values] if asked else [made]
            self._counts[state] = sum(self._below(depth + 1, way) for way in ways)
        return self._counts[state]
