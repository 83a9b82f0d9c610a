"""The controller: a graph-plus-language policy that chooses by reinforcement and foresees before it tries.

It draws many architectures, lets its value heads score them and asks for the promising ones; one question in eight
stays a random draw, against which its picks are counted. Where they do not win it steps back to random draws and small
mutations, says so in its report, and leads again once its forecasts agree with what comes.

Where runs are too short to tell, the briefing has the trials of earlier ones: then every other question is a draw until
these say who wins, and one in four from then on.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from search_core.policy.book import Book
from search_core.policy.contract import DRAW, NO_BRIEFING, PICK, Briefing, Trial
from search_core.policy.encoding import space_tensors
from search_core.policy.learner import Learner
from search_core.policy.lessons import Lessons, deviations, earlier_lessons, lessons, profile_tensor
from search_core.policy.network import ControllerNetwork, exactly
from search_core.policy.plain import RandomDraws
from search_core.policy.standing import Standing
from search_core.spaces.architecture import Architecture
from search_core.spaces.space import SearchSpace

COLD_START = 10  # random draws before a policy without earlier runs leads; as many as Optuna's TPE takes
CONTROL = 8  # one question in so many stays a random draw
SHORT_CONTROL = 4  # the same where a run is short: of the four questions of the encoder tier one
UNPROVEN_CONTROL = 2  # the same where earlier runs are to tell who wins, and do not yet
POOL, MUTANTS, PARENTS = 64, 32, 5  # drawn from the policy, mutated from the best so far, how many of those


class Controller:
    """Learns from this run and from earlier ones on other corpora which architectures suit this corpus."""

    def __init__(self, space: SearchSpace, seed: int, briefing: Briefing = NO_BRIEFING) -> None:
        self._space = space
        self._rng = random.Random(seed)  # noqa: S311 - a seeded draw is what is wanted
        self._generator = torch.Generator().manual_seed(seed)
        self._tensors = space_tensors(space)
        self._profile = profile_tensor(briefing.profile)
        self._earlier = earlier_lessons(briefing, self._tensors)
        self._book = Book()
        self._draws = RandomDraws(space, seed, book=self._book)
        self._is_short = briefing.record is not None
        self._standing = Standing.over(briefing.record or ())
        self._origins: dict[str, tuple[str, float | None]] = {}  # what was asked: why, and the reward foretold
        self._counted: set[str] = set()
        self._asked = 0
        with exactly(seed):
            self._network = ControllerNetwork(self._tensors, len(briefing.profile))
            self._learner = Learner(self._network, self._generator)
            self._learner.warm(self._earlier)

    @property
    def _cold(self) -> bool:
        return len(self._earlier) == 0 and len(self._book.trials) < COLD_START

    def ask(self, count: int) -> list[Architecture]:
        """Picks, a share of random draws, or what stands in for picks while it steps back; fewer when used up."""
        with exactly():
            pool = [] if self._cold else self._pool()
            asked = [one for _ in range(count) if (one := self._one(pool)) is not None]
            self._foretell(asked)
        return asked

    @property
    def _control(self) -> int:
        """One question in so many is a random draw."""
        if not self._is_short:
            return CONTROL
        return SHORT_CONTROL if self._standing.is_known else UNPROVEN_CONTROL

    def _one(self, pool: list[tuple[Architecture, list[float]]]) -> Architecture | None:
        self._asked += 1
        if self._cold or self._asked % self._control == 0:
            return self._drawn()
        if self._standing.steps_back:
            return self._drawn() if self._rng.random() < 0.5 else (self._mutant() or self._drawn())
        return self._pick(pool) or self._drawn()

    def _drawn(self) -> Architecture | None:
        for architecture in self._draws.ask(1):
            self._origins[architecture.digest] = DRAW, None
            return architecture
        return None

    def _mutant(self) -> Architecture | None:
        if not self._book.trials:
            return None
        architecture = self._book.fresh(self._mutation)
        if architecture is not None:
            self._origins[architecture.digest] = "mutant", None
        return architecture

    def _mutation(self) -> Architecture:
        parent = self._rng.choice(self._book.best(PARENTS)).architecture
        return self._space.mutate(parent, self._rng)

    def _pick(self, pool: list[tuple[Architecture, list[float]]]) -> Architecture | None:
        """The one that a head drawn at random (Thompson's way) expects most of."""
        left = [entry for entry in pool if entry[0] not in self._book]
        if not left:
            return None
        head = self._rng.randrange(len(left[0][1]))
        architecture = max(left, key=lambda entry: entry[1][head])[0]
        self._book.note(architecture)
        self._origins[architecture.digest] = PICK, None
        return architecture

    def _pool(self) -> list[tuple[Architecture, list[float]]]:
        with torch.no_grad():
            drawn = self._network.sample(self._profile, POOL, self._generator).tolist()
        candidates = [self._tensors.architecture(row) for row in drawn]
        if self._book.trials:
            candidates += [self._mutation() for _ in range(MUTANTS)]
        fresh = list({one.digest: one for one in candidates if one not in self._book}.values())
        return list(zip(fresh, self._foreseen(fresh).tolist(), strict=True)) if fresh else []

    def _foreseen(self, architectures: Sequence[Architecture]) -> Tensor:
        with torch.no_grad():
            states = self._tensors.states(architectures)
            nodes = self._network.nodes(states, self._profile.expand(len(states), -1))
            return self._network.foresee(nodes)

    def _foretell(self, architectures: Sequence[Architecture]) -> None:
        if architectures and not self._cold:
            expected = self._foreseen(architectures).mean(dim=1).tolist()
            for architecture, forecast in zip(architectures, expected, strict=True):
                self._origins[architecture.digest] = self._origins[architecture.digest][0], forecast

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from results, and review whether its picks earn their place."""
        kept = [trial for trial in self._book.add(trials) if not trial.failed]
        for trial in kept:
            self._count(trial)
        if kept:
            self._standing.review()
            with exactly():
                self._learner.learn(self._own(self._book.trials), self._own(kept), self._earlier)

    def _count(self, trial: Trial) -> None:
        """Its first result only: a second one, of the few that go on, was run for longer."""
        digest = trial.architecture.digest
        if digest in self._origins and digest not in self._counted:
            self._counted.add(digest)
            origin, forecast = self._origins[digest]
            self._standing.count(origin, trial.reward, forecast)

    def accounted(self, trials: Sequence[Trial]) -> list[Trial]:
        """The same trials, with why each was asked for and what was foretold of it."""
        found = [(trial, self._origins.get(trial.architecture.digest)) for trial in trials]
        return [trial if why is None else replace(trial, origin=why[0], forecast=why[1]) for trial, why in found]

    def _own(self, trials: Sequence[Trial]) -> Lessons:
        """Lessons of some of this run's trials, in deviations of all of them."""
        mean, spread = deviations([trial.reward for trial in self._book.trials])
        told = lessons(trials, self._tensors, self._profile)
        rewards = torch.tensor([(trial.reward - mean) / spread for trial in trials], dtype=torch.float32)
        return Lessons(told.states, told.profiles, rewards, told.weights)

    def report(self) -> dict[str, Any]:
        """How it stands against random draws of the same runs, and what it brought along."""
        told = {"trials": self._book.told, "failures": self._book.failures, "lessons": len(self._earlier)}
        return {"policy": "controller", **told, **self._standing.to_dict(), "says": self._says()}

    def _says(self) -> str:
        counted = self._standing.to_dict()
        over = f" over {counted['runs']} runs" if self._is_short else ""
        compared = f"{counted['picks']} picks beside {counted['draws']} random draws{over}"
        rate = f"picks beat random draws in {self._standing.win_rate:.0%} of pairs ({compared})"
        if self._standing.steps_back:
            return f"steps back to random draws and mutations: {rate}"
        if self._cold:
            return "draws at random to begin with"
        if self._is_short and not self._standing.is_known:
            return f"draws at random every other time, until enough is known: {compared}"
        return f"leads: {rate}"
