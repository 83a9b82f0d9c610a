"""One decision of a search space: its values, when it is asked, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from search_core.errors import ArchitectureError, SpaceError
from search_core.spaces.scalar import Scalar, key

NOTHING: Mapping[str, tuple[Scalar, ...]] = MappingProxyType({})


class Tier(StrEnum):
    """How dear it is to try a value."""

    PLAN = "plan"  # milliseconds, from cached candidate lists
    GRAPH = "graph"  # seconds: edges and a small graph network
    ENCODER = "encoder"  # minutes: the language model itself is trained


@dataclass(frozen=True, slots=True)
class Decision:
    """One choice to make. Raises `SpaceError` when it contradicts itself."""

    name: str
    tier: Tier
    values: tuple[Scalar, ...]
    default: Scalar
    summary: str
    when: Mapping[str, tuple[Scalar, ...]] = field(
        default_factory=lambda: NOTHING, hash=False
    )  # all must hold, of earlier decisions
    trial_cost: float = 0.0  # seconds that a value other than the default adds to a trial, by order of magnitude
    serving_cost: float = 0.0  # milliseconds that a value other than the default adds to a query, likewise

    def __post_init__(self) -> None:
        thing = f"decision {self.name!r}"
        if not self.name or not self.summary:
            raise SpaceError(
                f"{thing} has name {self.name!r} and summary {self.summary!r}; expected both to say something"
            )
        keys = [key(value) for value in self.values]
        if not keys or len(set(keys)) < len(keys):
            raise SpaceError(f"{thing} has values {list(self.values)!r}; expected at least one and none twice")
        if key(self.default) not in keys:
            raise SpaceError(f"{thing} has default {self.default!r}; expected one of {list(self.values)!r}")
        if min(self.trial_cost, self.serving_cost) < 0:
            raise SpaceError(f"{thing} has a negative cost; expected seconds and milliseconds from 0")

    def index(self, value: Scalar) -> int:
        """The place of a value in `values`. Raises `ArchitectureError` when it is none of them."""
        keys = [key(known) for known in self.values]
        if key(value) not in keys:
            raise ArchitectureError(f"{self.name} is {value!r}; expected one of {list(self.values)!r}")
        return keys.index(key(value))

    def asked(self, choices: Mapping[str, Scalar]) -> bool:
        """Whether these choices meet every condition of this decision."""
        return all(
            name in choices and key(choices[name]) in {key(value) for value in values}
            for name, values in self.when.items()
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """What an architecture is expected to cost, by order of magnitude."""

    trial_seconds: float
    serving_milliseconds: float
