"""What every policy keeps to: `ask` for architectures, run them, `tell` how they did. See docs/search-space.md."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from infra.registry import Registry
from search_core.spaces.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Trial:
    """One architecture that was run."""

    architecture: Architecture
    reward: float  # higher is better; not finite: the trial failed
    cost_seconds: float = 0.0  # CPU time
    fidelity: float = 1.0  # above 0 up to 1: the share of questions or epochs it was given

    @property
    def failed(self) -> bool:
        """Whether it came to no result."""
        return not math.isfinite(self.reward)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the reward of a failed trial is null."""
        return {
            "architecture": self.architecture.to_dict(),
            "reward": None if self.failed else self.reward,
            "cost_seconds": self.cost_seconds,
            "fidelity": self.fidelity,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Trial:
        """The inverse of `to_dict`. Raises `ArchitectureError` or `KeyError` for another form."""
        reward = math.nan if values["reward"] is None else float(values["reward"])
        architecture = Architecture.from_dict(values["architecture"])
        return cls(architecture, reward, float(values["cost_seconds"]), float(values["fidelity"]))


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


# created with (space: SearchSpace, seed: int, briefing: Briefing = NO_BRIEFING)
POLICIES: Registry[Policy] = Registry("policy")
