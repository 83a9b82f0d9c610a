"""A run whose better plan is too slow: it says so, and not that nothing was better."""

from __future__ import annotations

from pathlib import Path

import pytest
from tuning_world import tuned, tuning_world

from retrieval.catalog import Catalog
from search_core.candidate import Candidate
from search_core.proof.gate import Latency
from search_core.proof.reasons import ReasonCode
from search_core.stages import quickness

SPACE = """name: weights
decisions:
  fusion: {tier: plan, values: [convex], summary: how two rankings become one}
  dense_weight: {tier: plan, values: [0.7, 0.1], summary: the share of the vectors}
"""


def test_a_better_plan_that_is_too_slow_is_no_plan_that_was_not_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(catalog: Catalog, before: Candidate, after: Candidate, places: tuple[int, ...]) -> Latency:
        return Latency(1.0, 2.5, 2.4, 2.6)

    file = tmp_path / "weights.yaml"
    file.write_text(SPACE)
    with tuning_world(tmp_path / "data") as kb:
        better = tuned(kb, search_space=str(file), promote=False)
        assert better.plan.dense_weight == 0.1 and better.stages[0]["kept"]
        monkeypatch.setattr(quickness, "compare_latency", slow)
        found = tuned(kb, search_space=str(file), promote=False)
    assert found.plan == found.incumbent and not found.stages[0]["kept"]
    [reason] = found.reasons
    assert reason.code is ReasonCode.SLOWER
    assert found.stages[0]["reason"] == reason
    gain = better.stages[0]["gain"]
    told = f"2.50 times as long (2.40 to 2.60); expected at most 1.3, so {gain:+.4f} on the questions"
    assert gain > 0.1 and told in reason
