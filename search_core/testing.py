"""What every `Policy` must do. Subclass `PolicyContract` in a test file and give it a `create` fixture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TypeAlias

from search_core.policy.contract import Policy, Trial
from search_core.spaces.architecture import Architecture
from search_core.spaces.decision import Decision, Tier
from search_core.spaces.space import SearchSpace

Create: TypeAlias = Callable[[SearchSpace, int], Policy]

SMALL = SearchSpace(  # 4 + 2 architectures
    "small",
    (
        Decision("kind", Tier.PLAN, ("a", "b"), "a", "which kind"),
        Decision("depth", Tier.PLAN, (1, 2, 3, 4), 2, "how deep", {"kind": ("a",)}),
        Decision("flag", Tier.PLAN, (False, True), False, "whether", {"kind": ("b",)}),
    ),
)
WIDE = SearchSpace(  # enough for any test; the third decision hangs on both others
    "wide",
    (
        Decision("left", Tier.PLAN, tuple(range(12)), 0, "a number"),
        Decision("right", Tier.GRAPH, tuple(range(12)), 0, "another", {"left": tuple(range(1, 12))}),
        Decision("both", Tier.ENCODER, (None, "x", 0.5), None, "of mixed kinds", {"left": (3, 4, 5), "right": (3, 4)}),
        Decision("last", Tier.GRAPH, (True, False), True, "a switch"),
    ),
)


def reward_of(architecture: Architecture) -> float:
    """A smooth reward with one best architecture of `WIDE`: left and right near 4, last switched off."""
    choices = architecture.as_dict()
    numbers = [float(choices.get(name) or 0) for name in ("left", "right")]
    return 1.0 - sum((number - 4) ** 2 for number in numbers) / 128 - 0.1 * bool(choices.get("last"))


def run(
    policy: Policy, trials: int, batch: int = 4, reward: Callable[[Architecture], float] = reward_of
) -> list[Trial]:
    """Ask, score and tell until so many trials were made or nothing is left."""
    made: list[Trial] = []
    while len(made) < trials and (asked := policy.ask(min(batch, trials - len(made)))):
        results = [Trial(architecture, reward(architecture), 0.01) for architecture in asked]
        policy.tell(results)
        made += results
    return made


class PolicyContract:
    """Pytest collects the methods of a subclass whose name starts with Test.

    The fixture `create` is called with a space and a seed and returns the policy.
    """

    def test_asks_for_legal_architectures_and_for_none_twice(self, create: Create) -> None:
        """Also beyond its first random ones."""
        trials = run(create(WIDE, 0), 40)
        assert len(trials) == 40
        assert all(WIDE.check(trial.architecture) for trial in trials)
        assert len({trial.architecture.digest for trial in trials}) == 40

    def test_asks_for_no_more_than_it_is_asked(self, create: Create) -> None:
        """Nothing asked, nothing said."""
        policy = create(WIDE, 0)
        assert policy.ask(0) == []
        assert [len(policy.ask(count)) for count in (1, 5)] == [1, 5]

    def test_keeps_a_batch_apart_from_what_is_still_running(self, create: Create) -> None:
        """Two asks without a tell between them."""
        policy = create(WIDE, 0)
        asked = policy.ask(10) + policy.ask(10)
        assert len({architecture.digest for architecture in asked}) == 20

    def test_ends_when_nothing_is_left(self, create: Create) -> None:
        """All six architectures of the small space, then none."""
        policy = create(SMALL, 0)
        assert len(run(policy, 100, reward=lambda _: 0.5)) == 6
        assert policy.ask(3) == []

    def test_equal_seeds_ask_alike_and_others_differ(self, create: Create) -> None:
        """The whole trajectory, not only its beginning."""
        first, again, other = (run(create(WIDE, seed), 24) for seed in (7, 7, 8))
        assert first == again
        assert first != other

    def test_takes_results_it_never_asked_for(self, create: Create) -> None:
        """The architecture that serves now is told, and is not asked again."""
        policy = create(SMALL, 0)
        policy.tell([Trial(SMALL.default(), 0.9)])
        asked = [trial.architecture for trial in run(policy, 100)]
        assert len(asked) == 5
        assert SMALL.default() not in asked

    def test_goes_on_after_failures(self, create: Create) -> None:
        """Some trials, then all of them, come to no result."""
        policy = create(WIDE, 0)
        some = run(policy, 24, reward=lambda one: math.nan if one["last"] else reward_of(one))
        assert len(some) == 24
        assert len(run(create(WIDE, 0), 24, reward=lambda _: math.nan)) == 24

    def test_takes_a_second_result_of_higher_fidelity(self, create: Create) -> None:
        """A few questions first, all of them later."""
        policy = create(WIDE, 0)
        for _ in range(4):
            asked = policy.ask(4)
            policy.tell([Trial(one, reward_of(one) - 0.2, fidelity=0.25) for one in asked])
            policy.tell([Trial(one, reward_of(one)) for one in asked[:2]])
        assert len(policy.ask(4)) == 4

    def test_reports_plain_values(self, create: Create) -> None:
        """They go into the experiment log as JSON."""
        policy = create(WIDE, 0)
        run(policy, 12)
        report = json.loads(json.dumps(policy.report(), allow_nan=False))
        assert report["steps_back"] in {True, False}
