"""Partial architectures as tensors: one node for each decision of the space, one more for task and corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from search_core.spaces.architecture import Architecture
from search_core.spaces.decision import Decision
from search_core.spaces.scalar import Scalar, key
from search_core.spaces.space import SearchSpace

ABSENT, OPEN = 0, 1  # node states; from 2 on: the value chosen


@dataclass(frozen=True, slots=True)
class SpaceTensors:
    """What the controller needs to know of a space, for `n` decisions of at most `m` values.

    `edges` is 2 × e over n + 1 nodes (the last one stands for task and corpus): conditions and neighbours in the order
    of the space both ways, and everything with the last node. `legal` is n × m, true where a decision has that value.
    `place` is n × m, where a value that is a number lies between the least (0) and the greatest (1) of its decision.
    """

    space: SearchSpace
    edges: Tensor
    legal: Tensor
    place: Tensor

    @property
    def decisions(self) -> int:
        """How many decisions the space has."""
        return self.legal.shape[0]

    def states(self, architectures: Sequence[Architecture]) -> Tensor:
        """B × n node states of complete architectures."""
        rows = [[self._state(decision, one.as_dict()) for decision in self.space.decisions] for one in architectures]
        return torch.tensor(rows, dtype=torch.long).view(len(rows), self.decisions)

    def _state(self, decision: Decision, choices: Mapping[str, Scalar]) -> int:
        return 2 + decision.index(choices[decision.name]) if decision.name in choices else ABSENT

    def architecture(self, states: Sequence[int]) -> Architecture:
        """The architecture of one row of node states that leaves nothing open."""
        chosen = {
            d.name: d.values[state - 2] for d, state in zip(self.space.decisions, states, strict=True) if state > OPEN
        }
        return Architecture(self.space.name, chosen)


class Walk:
    """Many partial architectures of one space, decided one decision at a time in the order of the space.

    `states` (b × n) holds what is chosen, open and not asked so far; what is open follows from the choices alone, so
    that no walk can end in an architecture that the space does not allow.
    """

    def __init__(self, tensors: SpaceTensors, rows: int) -> None:
        self._space = tensors.space
        self._places = {decision.name: place for place, decision in enumerate(self._space.decisions)}
        first = [ABSENT if decision.when else OPEN for decision in self._space.decisions]
        self.states = torch.tensor([first] * rows, dtype=torch.long)

    def asked(self, place: int) -> Tensor:
        """The rows that have this decision to make now."""
        return (self.states[:, place] == OPEN).nonzero().flatten()

    def choose(self, place: int, rows: Tensor, values: Tensor) -> None:
        """Decide for these rows, by the places of the values; what that asks becomes open."""
        self.states[rows, place] = values + 2
        name = self._space.decisions[place].name
        for later, decision in enumerate(self._space.decisions):
            if name in decision.when:
                self.states[rows, later] = self._open(decision, rows).long()  # OPEN is 1, ABSENT is 0

    def _open(self, decision: Decision, rows: Tensor) -> Tensor:
        holds = torch.ones(len(rows), dtype=torch.bool)
        for name, values in decision.when.items():
            earlier = self._space.decisions[self._places[name]]
            known = {key(value): place for place, value in enumerate(earlier.values)}
            allowed = [known[key(value)] + 2 for value in values if key(value) in known]
            holds &= torch.isin(self.states[rows, self._places[name]], torch.tensor(allowed, dtype=torch.long))
        return holds


def space_tensors(space: SearchSpace) -> SpaceTensors:
    """The tensors of a space."""
    count, most = len(space.decisions), max(len(decision.values) for decision in space.decisions)
    legal = torch.zeros(count, most, dtype=torch.bool)
    place = torch.zeros(count, most)
    for row, decision in enumerate(space.decisions):
        legal[row, : len(decision.values)] = True
        place[row, : len(decision.values)] = torch.linspace(0, 1, len(decision.values))
    return SpaceTensors(space, _edges(space), legal, place)


def _edges(space: SearchSpace) -> Tensor:
    places = {decision.name: place for place, decision in enumerate(space.decisions)}
    count = len(places)
    pairs = {(places[name], places[d.name]) for d in space.decisions for name in d.when}
    pairs |= {(place, place + 1) for place in range(count)}  # the last of them reaches the node of the task
    pairs |= {(place, count) for place in range(count)}
    both = sorted(pairs | {(end, start) for start, end in pairs})
    return torch.tensor(both, dtype=torch.long).T.contiguous()
