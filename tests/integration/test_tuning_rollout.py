"""A proven winner of a run may go out step by step instead of serving at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tuning_world import questions, tuning_world

from api.commands import tune
from retrieval.catalog.rollouts import BEGIN_OPTIONS, Stage
from retrieval.errors import ConflictError, InvalidInputError
from retrieval.plan import Plan
from search_core.request import Request
from search_core.result import Result
from search_core.stages.plan_tier import Progress
from search_core.trainer import AutoModelTrainer


def test_a_proven_winner_goes_out_by_a_rollout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts, qrels = questions()
    with tuning_world(tmp_path) as kb:

        def tuned(progress: Progress = lambda _: None, **more: Any) -> Result:
            request = Request(collection="c", budget="120s", max_epochs=2, queries=texts, qrels=qrels, **more)
            about: dict[str, Any] = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder}
            return AutoModelTrainer.of(request, progress=progress, **about).run()

        def begin_another(told: dict[str, Any]) -> None:
            if told["trial"] == 1:
                collection = kb.catalog.collections.get("c")
                other = kb.catalog.plans.add(collection, "other", Plan(top=5).to_dict(), Plan(top=5).digest, "test")
                kb.catalog.rollouts.begin(collection, other.id, Stage.SHADOW, 0.1, BEGIN_OPTIONS, "test", "")

        late = tuned(begin_another, rollout="shadow", tiers="plan", seed=1)
        assert not late.promoted and "rollout 1 of collection 'c' runs" in late.reasons[0]
        with pytest.raises(ConflictError, match="a rollout of 'c' runs already; stop it, or tune with rollout none"):
            tuned(rollout="canary", tiers="plan")
        assert len(kb.catalog.experiments.all(kb.catalog.collections.get("c"))) == 1, "refused before it began"
        [running] = kb.catalog.rollouts.running()
        kb.catalog.rollouts.move(running, Stage.STOPPED, 0.0, "")
        result = tuned(rollout="canary", tiers="plan")
        assert not result.promoted and "rollout 2 began as canary" in result.reasons[0]
        (rollout,) = kb.catalog.rollouts.running()
        assert (rollout.plan_id, rollout.stage, rollout.by) == (
            result.plan_id,
            Stage.CANARY,
            f"experiment {result.experiment}",
        )
        assert kb.catalog.collections.get("c").plan_id is None
        tune._show(result.to_dict() | {"metric": "ndcg@10"}, "c", tmp_path)
        told = capsys.readouterr().out
        assert "rollout 2 began as canary" in told.replace("\n", " ") and "nothing was promoted" not in told


def test_another_way_to_go_out_is_refused_before_the_run() -> None:
    with pytest.raises(InvalidInputError, match="rollout is 'tomorrow'; expected one of none, shadow, canary"):
        Request(rollout="tomorrow")
