"""Successive halving: many a little, few more, one in full; failures go no further, and the time is kept."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from retrieval.catalog.eval_sets import EvalQuery
from search_core.candidate import is_better
from search_core.clock import Clock
from search_core.policy import POLICIES, Trial
from search_core.spaces.architecture import Architecture
from search_core.stages.halving import Outcome, Rung, halve
from search_core.testing import WIDE, reward_of

RUNGS = (Rung(9, 0.1), Rung(3, 0.3), Rung(1, 1.0))


class Runs:
    """Rewards by a formula; what was run, at which fidelity."""

    def __init__(self, seconds: float = 0.0, fails: float = 0.0) -> None:
        self.seen: list[tuple[str, float]] = []
        self._seconds, self._fails = seconds, fails

    def __call__(self, architecture: Architecture, rung: Rung) -> Outcome[str]:
        self.seen.append((architecture.digest, rung.fidelity))
        time.sleep(self._seconds * rung.fidelity)
        reward = reward_of(architecture)
        failed = reward < self._fails
        trial = Trial(architecture, math.nan if failed else reward, 0.0, rung.fidelity)
        return Outcome(trial, None if failed else architecture.digest)


def test_the_best_of_each_rung_go_on_and_the_policy_hears_of_all() -> None:
    policy, runs = POLICIES.create("random", WIDE, 0), Runs()
    done = halve(policy, RUNGS, runs, Clock(1000.0), 1.0)
    assert [len(outcomes) for _, outcomes in done] == [9, 3, 1]
    rewards = {outcome.trial.architecture.digest: outcome.trial.reward for outcome in done[0][1]}
    ranked = sorted(rewards, key=lambda digest: -rewards[digest])
    assert {digest for digest, fidelity in runs.seen if fidelity == 0.3} == set(ranked[:3])
    assert runs.seen[-1] == (ranked[0], 1.0)
    assert policy.report()["trials"] == 9


def test_what_failed_goes_no_further() -> None:
    runs = Runs(fails=2.0)
    done = halve(POLICIES.create("random", WIDE, 0), RUNGS, runs, Clock(1000.0), 1.0)
    assert len(done) == 1
    assert len(runs.seen) == 9


def test_a_trial_that_would_not_fit_is_not_begun() -> None:
    runs = Runs(seconds=50.0)
    done = halve(POLICIES.create("random", WIDE, 0), (Rung(3, 0.001), Rung(1, 1.0)), runs, Clock(30.0), 1.0)
    assert [rung.fidelity for rung, _ in done] == [0.001]
    rungs = (Rung(1, 0.001), Rung(1, 0.01))  # 0.05 and half a second
    done = halve(POLICIES.create("random", WIDE, 0), rungs, runs, Clock(0.2), 1.0, keeps_time=True)
    assert [rung.fidelity for rung, _ in done] == [0.001, 0.01]  # it is for the trial to end in time
    stopped = Clock(30.0)
    stopped.stop()
    assert halve(POLICIES.create("random", WIDE, 0), RUNGS, runs, stopped, 1.0) == []


def test_a_trial_that_a_stop_ended_is_none_and_those_before_it_stand() -> None:
    runs, clock = Runs(), Clock(1000.0)

    def stopped_in_the_second_of_three(architecture: Architecture, rung: Rung) -> Outcome[str] | None:
        if rung.fidelity == 0.1 or len(runs.seen) == 9:
            return runs(architecture, rung)
        clock.stop()
        return None

    done = halve(POLICIES.create("random", WIDE, 0), RUNGS, stopped_in_the_second_of_three, clock, 1.0)
    assert [len(outcomes) for _, outcomes in done] == [9, 1]


@pytest.mark.parametrize("gain", [0.0, 0.001])
def test_the_identity_and_noise_are_never_better(gain: float) -> None:
    before = np.random.default_rng(0).random(100)
    noise = np.random.default_rng(1).normal(gain, 0.2, 100)
    noise += gain - noise.mean()
    asked = [EvalQuery("", f"question {at}", {}) for at in range(100)]
    assert not is_better(before, before, asked)
    assert not is_better(before + noise, before, asked)
    assert is_better(before + 0.1 * np.random.default_rng(2).random(100), before, asked)
    assert not is_better(before[:1] + 1, before[:1], asked[:1])


def test_a_question_that_is_asked_again_and_again_is_no_further_evidence() -> None:
    """By luck one of twelve gains much; copied eight times it would look like a sure gain."""
    gains = np.zeros(12)
    gains[0], gains[1] = 0.4, -0.3
    before, texts = np.full(20, 0.5), [f"question {at}" for at in range(12)] + ["Question  0"] * 8
    copied = [EvalQuery("", text, {}) for text in texts]
    apart = [EvalQuery("", f"question {at}", {}) for at in range(20)]
    after = before + np.concatenate([gains, np.full(8, gains[0])])
    assert is_better(after, before, apart)
    assert not is_better(after, before, copied)
