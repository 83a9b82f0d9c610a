"""The search space: which decisions an architecture takes, which values each has, and what they cost.

A space is data; `space_file` opens it by its name. See docs/search-space.md.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from search_core.errors import ArchitectureError, SpaceError
from search_core.spaces.architecture import Architecture
from search_core.spaces.decision import Cost, Decision, Tier
from search_core.spaces.scalar import Scalar, key, same


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Decisions in the order in which they are taken. Raises `SpaceError` naming the decision that is wrong.

    A decision is asked when its conditions on earlier ones hold; an architecture answers every decision that is asked
    and no other, so that two ways to write the same thing do not exist. `extras` are decided after all others in tiers
    of their own, and no policy is asked: an architecture names one only where it is not at its default.
    """

    name: str
    decisions: tuple[Decision, ...]
    extras: tuple[Decision, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or not self.decisions:
            raise SpaceError(
                f"search space {self.name!r} has {len(self.decisions)} decisions; expected a name and some"
            )
        earlier: dict[str, Decision] = {}
        for decision in self.decisions:
            _check_place(decision, earlier)
            earlier[decision.name] = decision
        for decision in self.extras:
            _check_place(decision, earlier)
            if decision.when:
                raise SpaceError(f"extra decision {decision.name!r} has conditions; expected none")
            earlier[decision.name] = decision

    def __getitem__(self, name: str) -> Decision:
        """The decision of that name. Raises `ArchitectureError` when there is none."""
        for decision in (*self.decisions, *self.extras):
            if decision.name == name:
                return decision
        known = ", ".join(decision.name for decision in (*self.decisions, *self.extras))
        raise ArchitectureError(f"search space {self.name!r} has no decision {name!r}; known: {known}")

    def strengths(self, extra: str) -> list[float]:
        """The numbers above 0 that an extra may be, rising; none where the space lacks it."""
        known = {decision.name: decision.values for decision in self.extras}
        return sorted(value for value in known.get(extra, ()) if isinstance(value, float) and value > 0.0)

    def legal(self, choices: Mapping[str, Scalar]) -> tuple[Decision, ...]:
        """The decisions that may be taken next, given these; all their values are legal. Empty: complete."""
        return tuple(d for d in self.decisions if d.name not in choices and d.asked(choices))

    def check(self, architecture: Architecture) -> Architecture:
        """The same architecture. Raises `ArchitectureError` naming the decision when this space does not allow it."""
        if architecture.space != self.name:
            raise ArchitectureError(f"architecture is of space {architecture.space!r}; expected {self.name!r}")
        choices = architecture.as_dict()
        for name, value in choices.items():
            decision = self[name]
            decision.index(value)
            if not decision.asked(choices):
                raise ArchitectureError(f"{name} is {value!r}, but is only asked when {_condition(decision)}")
            if decision in self.extras and same(value, decision.default):
                raise ArchitectureError(f"{name} is {value!r}, its default; expected it to be left out then")
        if missing := self.legal(choices):
            raise ArchitectureError(f"{missing[0].name} is missing; expected one of {list(missing[0].values)!r}")
        return architecture

    def complete(self, choices: Mapping[str, Scalar], rng: random.Random | None = None) -> Architecture:
        """The architecture with these choices as far as they are asked, the others at random or at their defaults.

        Raises `ArchitectureError` when a choice that is asked has none of its values.
        """
        made: dict[str, Scalar] = {}
        for decision in self.decisions:
            if decision.asked(made):
                made[decision.name] = _value(decision, choices, rng)
        for extra in self.extras:
            value = _value(extra, choices, None)
            if not same(value, extra.default):
                made[extra.name] = value
        return Architecture(self.name, made)

    def has(self, name: str, value: Scalar) -> bool:
        """Whether there is a decision of that name which may be that value."""
        return any(same(value, one) for decision in self.decisions if decision.name == name for one in decision.values)

    def default(self) -> Architecture:
        """What serves before anything was searched."""
        return self.complete({})

    def sample(self, rng: random.Random) -> Architecture:
        """An architecture with each asked decision drawn evenly; equal states of `rng` give equal ones."""
        return self.complete({}, rng)

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """A neighbour: one decision changed, what that newly asks drawn at random, what it no longer asks dropped.

        The same architecture comes back only where no decision has a second value.
        """
        choices = architecture.as_dict()
        open_ones = [d for d in self.decisions if d.name in choices and len(d.values) > 1]
        if not open_ones:
            return architecture
        decision = rng.choice(open_ones)
        others = [value for value in decision.values if key(value) != key(choices[decision.name])]
        return self.complete(choices | {decision.name: rng.choice(others)}, rng)

    def cost(self, architecture: Architecture) -> Cost:
        """The expected cost: the sum over the choices that differ from their defaults."""
        moved = [
            d for d in (self[name] for name, _ in architecture.choices) if not same(architecture[d.name], d.default)
        ]
        return Cost(sum(d.trial_cost for d in moved), sum(d.serving_cost for d in moved))

    def only(self, *tiers: Tier) -> SearchSpace:
        """The same space with the decisions of all other tiers held at their defaults."""
        return self.held({d.name: d.default for d in self.decisions if d.tier not in tiers})

    def held(self, choices: Mapping[str, Scalar]) -> SearchSpace:
        """The same space with these decisions held at these values, less what can no longer be asked.

        Raises `ArchitectureError` for values unknown.
        """
        for name, value in choices.items():
            self[name].index(value)
        kept: dict[str, Decision] = {}
        for decision in self.decisions:
            if _within_reach(decision, kept):
                values = (choices[decision.name],) if decision.name in choices else decision.values
                default = values[0] if decision.name in choices else decision.default
                kept[decision.name] = replace(decision, values=values, default=default)
        return replace(self, decisions=tuple(kept.values()))

    def extended(self, name: str, decisions: Iterable[Decision]) -> SearchSpace:
        """A space of another name with more decisions at the end; one of a known name takes the old one's place."""
        fresh = {decision.name: decision for decision in decisions}
        kept = [fresh.pop(old.name, old) for old in self.decisions]
        extras = tuple(fresh.pop(old.name, old) for old in self.extras)
        return SearchSpace(name, (*kept, *fresh.values()), extras)


def _value(decision: Decision, choices: Mapping[str, Scalar], rng: random.Random | None) -> Scalar:
    if decision.name in choices:
        return decision.values[decision.index(choices[decision.name])]
    return decision.default if rng is None else rng.choice(decision.values)


def _check_place(decision: Decision, earlier: Mapping[str, Decision]) -> None:
    thing = f"decision {decision.name!r}"
    if decision.name in earlier:
        raise SpaceError(f"{thing} comes twice; give the second another name")
    for name, values in decision.when.items():
        if name not in earlier:
            raise SpaceError(
                f"{thing} depends on {name!r}; expected an earlier decision: {', '.join(earlier) or 'none'}"
            )
        if not values:
            raise SpaceError(f"{thing} depends on no value of {name!r}; name some or drop the condition")
        known = {key(value) for value in earlier[name].values}
        strange = [value for value in values if key(value) not in known]
        if strange and (len(known) > 1 or len(strange) == len(values)):  # a held decision has lost its other values
            listed = list(earlier[name].values)
            raise SpaceError(f"{thing} depends on {name} being {strange[0]!r}; expected values among {listed!r}")


def _within_reach(decision: Decision, earlier: Mapping[str, Decision]) -> bool:
    """Whether each condition can hold."""
    return all(
        name in earlier and {key(value) for value in values} & {key(value) for value in earlier[name].values}
        for name, values in decision.when.items()
    )


def _condition(decision: Decision) -> str:
    return " and ".join(f"{name} is one of {list(values)!r}" for name, values in decision.when.items())
