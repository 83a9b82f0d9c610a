"""Tree-structured Parzen estimators (Bergstra et al. 2011): Optuna's sampler behind ask and tell."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

from search_core.policy.book import TRIES, Book
from search_core.policy.contract import NO_BRIEFING, Briefing, Trial
from search_core.policy.plain import RandomDraws
from search_core.spaces.architecture import Architecture
from search_core.spaces.decision import Decision
from search_core.spaces.scalar import Scalar
from search_core.spaces.space import SearchSpace


class TreeParzen:
    """Asks Optuna's TPE for each decision in turn; numbers are ordered for it, other values are not."""

    def __init__(self, space: SearchSpace, seed: int, briefing: Briefing = NO_BRIEFING) -> None:
        logging.getLogger("optuna").setLevel(logging.WARNING)  # it tells of every trial otherwise
        self._space = space
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)  # the liar keeps a batch of asks apart
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._book = Book()
        self._rest = RandomDraws(space, seed, book=self._book)
        self._open: dict[str, optuna.Trial] = {}

    def ask(self, count: int) -> list[Architecture]:
        """The sampler's proposals; where it insists on what was asked already, random ones."""
        return [architecture for _ in range(count) if (architecture := self._one()) is not None]

    def _one(self) -> Architecture | None:
        for _ in range(TRIES):
            trial = self._study.ask()
            architecture = self._suggested(trial)
            if architecture not in self._book:
                self._book.note(architecture)
                self._open[architecture.digest] = trial
                return architecture
            self._study.tell(trial, state=TrialState.FAIL)
        return next(iter(self._rest.ask(1)), None)

    def _suggested(self, trial: optuna.Trial) -> Architecture:
        made: dict[str, Scalar] = {}
        for decision in self._space.decisions:
            if decision.asked(made):
                made[decision.name] = decision.values[_suggest(trial, decision)]
        return Architecture(self._space.name, made)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Pass results on; of an architecture told again, a result of higher fidelity counts as another."""
        for trial in self._book.add(trials):
            asked = self._open.pop(trial.architecture.digest, None)
            if asked is not None:
                failed = {"state": TrialState.FAIL} if trial.failed else {"values": trial.reward}
                self._study.tell(asked, **failed)
            elif not trial.failed:
                self._study.add_trial(self._foreign(trial))

    def _foreign(self, trial: Trial) -> optuna.trial.FrozenTrial:
        chosen = [self._space[name] for name, _ in trial.architecture.choices]
        places = {decision.name: decision.index(trial.architecture[decision.name]) for decision in chosen}
        distributions = {decision.name: _distribution(decision) for decision in chosen}
        return optuna.trial.create_trial(params=places, distributions=distributions, value=trial.reward)

    def report(self) -> dict[str, Any]:
        """How many trials it was told of."""
        told = {"trials": self._book.told, "failures": self._book.failures}
        return {"policy": "tpe", **told, "steps_back": False}


def _ordered(decision: Decision) -> bool:
    numbers = [value for value in decision.values if isinstance(value, int | float) and not isinstance(value, bool)]
    return len(numbers) == len(decision.values) and numbers == sorted(numbers)


def _distribution(decision: Decision) -> BaseDistribution:
    if _ordered(decision):
        return IntDistribution(0, len(decision.values) - 1)
    return CategoricalDistribution(list(range(len(decision.values))))


def _suggest(trial: optuna.Trial, decision: Decision) -> int:
    if _ordered(decision):
        return trial.suggest_int(decision.name, 0, len(decision.values) - 1)
    place = trial.suggest_categorical(decision.name, list(range(len(decision.values))))
    assert isinstance(place, int)
    return place
