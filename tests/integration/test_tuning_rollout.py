"""A proven winner of a run may go out step by step instead of serving at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tuning_world import questions, tuning_world

from retrieval.catalog.rollouts import Stage
from retrieval.errors import InvalidInputError
from search_core.request import Request
from search_core.result import Result
from search_core.trainer import AutoModelTrainer


def test_a_proven_winner_goes_out_by_a_rollout(tmp_path: Path) -> None:
    texts, qrels = questions()
    with tuning_world(tmp_path) as kb:

        def tuned(**more: Any) -> Result:
            request = Request(collection="c", budget="120s", max_epochs=2, queries=texts, qrels=qrels, **more)
            about: dict[str, Any] = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
            return AutoModelTrainer.of(request, **about).run()

        result = tuned(rollout="canary", tiers="plan")
        assert not result.promoted and "rollout 1 began as canary" in result.reasons[0]
        (rollout,) = kb.catalog.rollouts.running()
        assert (rollout.plan_id, rollout.stage, rollout.by) == (
            result.plan_id,
            Stage.CANARY,
            f"experiment {result.experiment}",
        )
        assert kb.catalog.collections.get("c").plan_id is None
        again = tuned(rollout="shadow", tiers="plan", seed=1)
        assert not again.promoted and "rollout 1 of collection 'c' runs" in again.reasons[0]
        assert kb.catalog.rollouts.running() == [rollout]


def test_another_way_to_go_out_is_refused_before_the_run() -> None:
    with pytest.raises(InvalidInputError, match="rollout is 'tomorrow'; expected one of none, shadow, canary"):
        Request(rollout="tomorrow")
