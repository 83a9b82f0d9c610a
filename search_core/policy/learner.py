"""How the controller's network learns: forecasts by least squares, choices by REINFORCE, both from few trials."""

from __future__ import annotations

import torch
from torch import Tensor

from search_core.policy.lessons import Lessons
from search_core.policy.network import FORESEERS, ControllerNetwork
from search_core.policy.reinforce import reinforce_loss

RATE = 3e-3  # step of Adam
BATCH = 64  # lessons in one step
STEPS = 40  # after each tell
WARM_STEPS, WARM_CHOICE_STEPS = 300, 30  # before the first ask, when there are earlier runs
ENTROPY_BONUS = 0.05  # nats weigh this much against rewards in deviations
CLIP = 1.0  # norm of a gradient
LEFT_OUT = 3  # each head leaves out one lesson in so many, another one each


class Learner:
    """Owns the optimiser of a network; every draw comes from the generator given."""

    def __init__(self, network: ControllerNetwork, generator: torch.Generator) -> None:
        self._network = network
        self._generator = generator
        self._optimiser = torch.optim.Adam(network.parameters(), lr=RATE)

    def warm(self, earlier: Lessons) -> None:
        """Learn from earlier runs what to expect, and to prefer what was above their means."""
        if len(earlier) == 0:
            return
        for _ in range(WARM_STEPS):
            self._step(self._forecast_loss(earlier.at(self._some(earlier))))
        for _ in range(WARM_CHOICE_STEPS):
            self._step(self._choice_loss(earlier.at(self._some(earlier)), floor=0.0))

    def learn(self, own: Lessons, fresh: Lessons, earlier: Lessons) -> None:
        """One step of REINFORCE on the fresh results, then forecasts on all of them, mixed with earlier runs."""
        self._step(self._choice_loss(fresh))
        for _ in range(STEPS):
            batch = own.at(self._some(own))
            if len(earlier):
                batch = batch.with_(earlier.at(self._some(earlier)))
            self._step(self._forecast_loss(batch))

    def _some(self, lessons: Lessons) -> Tensor:
        return torch.randperm(len(lessons), generator=self._generator)[:BATCH]

    def _choice_loss(self, lessons: Lessons, floor: float | None = None) -> Tensor:
        """REINFORCE against the learned baseline, and the baseline's own error; `floor` bounds advantages below."""
        log_probability, entropy = self._network.log_probability(lessons.states, lessons.profiles)
        baseline = self._network.expected(lessons.profiles)
        advantage = lessons.weights * (lessons.rewards - baseline)
        if floor is not None:
            advantage = advantage.clamp(min=floor)
        error = (lessons.weights * (baseline - lessons.rewards) ** 2).mean()
        return reinforce_loss(log_probability, advantage, entropy, ENTROPY_BONUS) + error

    def _forecast_loss(self, lessons: Lessons) -> Tensor:
        """The squared error of each head on the lessons that it does not leave out."""
        foreseen = self._network.foresee(self._network.nodes(lessons.states, lessons.profiles))
        marks = lessons.states @ torch.arange(1, lessons.states.shape[1] + 1)  # the same for equal architectures
        kept = (marks[:, None] + torch.arange(FORESEERS)) % LEFT_OUT != 0
        return ((foreseen - lessons.rewards[:, None]) ** 2 * kept * lessons.weights[:, None]).mean()

    def _step(self, loss: Tensor) -> None:
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), CLIP)
        self._optimiser.step()
