"""A rollout as the plain values that REST and the command line show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from api.rollout.regress import checks
from api.rollout.tally import ANSWER_BUCKETS, quantile
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.rollouts import RUNNING, RolloutRecord, Stage

COUNTED = ("searches", "errors", "empty", "helpful", "unhelpful", "answers", "answers_failed")

Sums = Mapping[tuple[str, str], float]


def rollout_json(catalog: Catalog, collection: Collection, rollout: RolloutRecord) -> dict[str, Any]:
    """The rollout with what was counted at each stage that it has been at."""
    counts = catalog.rollouts.counts(rollout.id)
    seen = [stage for stage in RUNNING if counts.get(stage) or stage is rollout.stage]
    return {
        "id": rollout.id,
        "collection": collection.name,
        "plan_id": rollout.plan_id,
        "previous_id": rollout.previous_id,
        "stage": rollout.stage.value,
        "share": rollout.share,
        "unit": rollout.options["unit"],
        "advance_after": rollout.options["advance_after"],
        "answers": bool(rollout.options.get("answers")),
        "answer_ms": rollout.options.get("answer_ms") or None,
        "by": rollout.by,
        "reason": rollout.reason,
        "began_at": rollout.began_at,
        "changed_at": rollout.changed_at,
        "ended_at": rollout.ended_at,
        "stages": [_stage(rollout, stage, counts.get(stage, {})) for stage in seen],
    }


def _stage(rollout: RolloutRecord, stage: Stage, sums: Sums) -> dict[str, Any]:
    pairs = sums.get(("pair", "pairs"), 0.0)
    return {
        "stage": stage.value,
        "serving": _arm("serving", sums),
        "candidate": _arm("candidate", sums),
        "pairs": int(pairs),
        "left_out": int(sums.get(("pair", "left_out"), 0.0)),
        "overlap": round(sums.get(("pair", "overlap"), 0.0) / pairs, 4) if pairs else None,
        "checks": [
            asdict(check) | {"evidence": check.evidence if math.isfinite(check.evidence) else None}
            for check in checks(stage, sums, answers=bool(rollout.options.get("answers")))
        ],
    }


def _arm(arm: str, sums: Sums) -> dict[str, Any]:
    counted: dict[str, Any] = {name: int(sums.get((arm, name), 0.0)) for name in COUNTED}
    times = {"p50_ms": quantile(sums, arm, 0.5), "p95_ms": quantile(sums, arm, 0.95)}
    return counted | times | {"answer_p95_ms": quantile(sums, arm, 0.95, ANSWER_BUCKETS)}
