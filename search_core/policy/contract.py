"""What every policy keeps to: `ask` for architectures, run them, `tell` how they did. See docs/search-space.md."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from infra.registry import Registry
from retrieval.errors import InvalidInputError
from search_core.request import DEFAULT_POLICY
from search_core.spaces.architecture import Architecture

PICK, DRAW = "pick", "draw"  # a choice of the policy's own, and a random draw against which such are counted


@dataclass(frozen=True, slots=True)
class Trial:
    """One architecture that was run."""

    architecture: Architecture
    reward: float  # higher is better; not finite: the trial failed
    cost_seconds: float = 0.0  # CPU time
    fidelity: float = 1.0  # above 0 up to 1: the share of questions or epochs it was given
    origin: str = ""  # why it was asked for: `PICK`, `DRAW` or another word; empty: that is not known
    forecast: float | None = None  # what its policy expected, in deviations of the run's rewards; None: nothing

    @property
    def failed(self) -> bool:
        """Whether it came to no result."""
        return not math.isfinite(self.reward)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the reward of a failed trial is null, and what is not known is left out."""
        return {
            "architecture": self.architecture.to_dict(),
            "reward": None if self.failed else self.reward,
            "cost_seconds": self.cost_seconds,
            "fidelity": self.fidelity,
            **({"origin": self.origin} if self.origin else {}),
            **({} if self.forecast is None else {"forecast": self.forecast}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Trial:
        """The inverse of `to_dict`. Raises `ArchitectureError` or `KeyError` for another form."""
        reward = math.nan if values["reward"] is None else float(values["reward"])
        architecture = Architecture.from_dict(values["architecture"])
        cost, fidelity = float(values["cost_seconds"]), float(values["fidelity"])
        return cls(architecture, reward, cost, fidelity, values.get("origin", ""), values.get("forecast"))


@dataclass(frozen=True, slots=True)
class Earlier:
    """A run on another corpus: what it was about, and what was tried."""

    profile: tuple[float, ...]  # the sentence encoder's embedding of task and corpus profile; empty: unknown
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Briefing:
    """What a policy may know before its first trial; most need none of it."""

    profile: tuple[float, ...] = ()  # the sentence encoder's embedding of task and corpus profile; empty: unknown
    earlier: tuple[Earlier, ...] = ()
    record: tuple[tuple[Trial, ...], ...] | None = None
    """Trials of earlier runs of this task, oldest run first, by which a policy's picks are counted against draws over
    many runs. None: each run is counted by itself, as where it is long enough."""


NO_BRIEFING = Briefing()


class Policy(Protocol):
    """Chooses what to try next. Equal seeds and equal answers give equal questions, in any process.

    `search_core.testing.PolicyContract` checks an implementation.
    """

    def ask(self, count: int) -> list[Architecture]:
        """At most `count` legal architectures to run; fewer, or none, when nothing is left to try."""
        ...

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take notice of results; also of trials never asked for, such as the one that serves now."""
        ...

    def report(self) -> dict[str, Any]:
        """What it did and why, as plain values for the experiment log; `steps_back` says whether it gave up leading."""
        ...


@runtime_checkable
class Accountable(Protocol):
    """A policy that says why it asked for what it did, so that later runs can count its picks against its draws."""

    def accounted(self, trials: Sequence[Trial]) -> list[Trial]:
        """The same trials, with origin and forecast where it asked for them."""
        ...


# created with (space: SearchSpace, seed: int, briefing: Briefing = NO_BRIEFING)
POLICIES: Registry[Policy] = Registry("policy")


def check_policy(name: str) -> None:
    """Raise `InvalidInputError` where no policy is called so."""
    if name != DEFAULT_POLICY and name not in POLICIES:
        known = ", ".join((DEFAULT_POLICY, *(entry.name for entry in POLICIES)))
        raise InvalidInputError(f"policy {name!r} is not known here; expected one of {known}")
