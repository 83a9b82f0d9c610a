"""Two runs beside each other: what was asked, what came of it, where they parted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search_core.log.experiment_log import step
from search_core.request import ANSWER_TASK
from search_core.task import parse_task

ASKED = (
    *("task", "search_space", "policy", "tiers", "budget", "seed", "max_epochs"),
    *("eval_set", "made_questions", "split", "promote", "rollout", "latency_ms"),
)
CAME = ("lift", "lift_interval", "p_value", "promoted", "trials", "seconds", "cpu_seconds", "trajectory")
DEFAULT_TASK = "text-to-graph"
METRICS = ("default", "serving", "tuned")
MANY = 20  # candidates that both tried and that are shown

Run = tuple[Mapping[str, Any], Mapping[str, Any] | None, Sequence[Mapping[str, Any]]]  # request, result, trials


def compare_runs(one: Run, other: Run) -> dict[str, Any]:
    """Plain values for JSON: each row has a name and both values; `parted` is the first trial that differs, or null.

    Scores by different metrics are not compared.
    """
    runs = (one, other)
    metrics = [_metric(run[0]) for run in runs]
    asked = [_row(name, *(run[0].get(name) for run in runs)) for name in ASKED]
    asked.append(_row("metric", *metrics))
    scored = [run[2] if metrics[0] == metrics[1] else () for run in runs]
    came = [_row(name, *((run[1] or {}).get(name) for run in runs)) for name in CAME]
    for plan in METRICS:
        for metric in _names(*((run[1] or {}).get(plan) for run in runs)):
            values = (((run[1] or {}).get(plan) or {}).get(metric) for run in runs)
            came.append(_row(f"{plan} {metric}", *values))
    came.append(_row("artifact", *(((run[1] or {}).get("artifact") or {}).get("digest") for run in runs)))
    came.append(_row("best trial", *map(_best, scored)))
    choices = [((run[1] or {}).get("architecture") or {}).get("choices") or {} for run in runs]
    chosen = [_row(name, *(made.get(name) for made in choices)) for name in _names(*choices)]
    return {
        "asked": asked,
        "came": came,
        "chosen": [row for row in chosen if row["one"] != row["other"]],
        "parted": _parted(one[2], other[2]),
        "both_tried": _both(*scored),
    }


def is_cut_short(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one run's trials are the other's, and the other went on."""
    return len(one) != len(other) and _parted(one, other) == min(len(one), len(other)) + 1


def _metric(request: Mapping[str, Any]) -> str:
    """What a run was asked to be better by; former requests do not say it."""
    if request.get("task") == ANSWER_TASK:
        return "quality"
    return parse_task(request.get("task") or DEFAULT_TASK, 0.0, request.get("metric") or "").metric


def _row(name: str, one: Any, other: Any) -> dict[str, Any]:
    return {"name": name, "one": one, "other": other}


def _names(*of: Mapping[str, Any] | None) -> list[str]:
    return list(dict.fromkeys(name for values in of if values for name in values))


def _best(trials: Sequence[Mapping[str, Any]]) -> float | None:
    return max((trial["whole"] for trial in trials if trial.get("whole") is not None), default=None)


def _parted(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> int | None:
    for number, (mine, theirs) in enumerate(zip(one, other, strict=False), 1):
        if step(mine) != step(theirs):
            return number
    return None if len(one) == len(other) else min(len(one), len(other)) + 1


def _both(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Candidates that both scored on all working questions, and how far the two scores are apart at most."""
    mine, theirs = (
        {trial["plan"]: trial["whole"] for trial in run if trial.get("whole") is not None} for run in (one, other)
    )
    shared = [plan for plan in mine if plan in theirs]
    apart = max((abs(mine[plan] - theirs[plan]) for plan in shared), default=None)
    rows = sorted(shared, key=lambda plan: -mine[plan])[:MANY]
    return {
        "candidates": len(shared),
        "apart_at_most": apart,
        "best": [_row(plan, mine[plan], theirs[plan]) for plan in rows],
    }
