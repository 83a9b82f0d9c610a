"""Whether a run that was repeated went the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_core.time_decisions import ENCODER_STEPS, NUMBERS, TIMED

SPENT = ("milliseconds", "prompt_tokens", "completion_tokens", "cost")  # of an answer: what it took, not its quality
TOLERANCE = 0.02  # of each sealed mean: bf16 rounds to three digits, and training multiplies what it rounds


def replay_verdict(first: Mapping[str, Any], again: Mapping[str, Any], *, cut_short: bool = False) -> dict[str, Any]:
    """`mode` exact or fast, what is the same, by how much sealed means differ at most, and whether that `agrees`.

    Deterministic runs (fp32: the default) must go the same way and end in the same bytes. A run with a
    stage in bf16 agrees where no sealed mean is further off than `TOLERANCE`. `cut_short`: the trials are the same as
    far as the shorter run went; the other had time for more, and the end may still be the same.
    """
    is_fast = any(stage.get("deterministic") is False for stage in first.get("stages") or ())
    apart = max(
        abs(first[plan][metric] - again[plan][metric])
        for plan in ("default", "tuned")
        for metric in first[plan]
        if metric in again.get(plan, {}) and metric not in SPENT
    )
    same = {
        "trajectory": again["trajectory"] == first["trajectory"],
        "artifact": again["artifact"]["digest"] == first["artifact"]["digest"],
    }
    exact = same["artifact"] and (same["trajectory"] or cut_short)
    agrees = apart <= TOLERANCE if is_fast else exact
    shown = {"mode": "fast" if is_fast else "exact", "same": same, "metrics_apart": round(apart, 6)}
    shown["cut_short"] = cut_short
    return shown | {"tolerance": TOLERANCE if is_fast else 0.0, "agrees": agrees}


def timed_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the clock decided in that run; a result of an earlier version tells the steps of encoders alone."""
    if TIMED in result:
        timed: Mapping[str, Any] = result[TIMED]
        return timed
    steps = next((stage["steps"] for stage in result.get("stages") or () if "steps" in stage), None)
    return {} if steps is None else {NUMBERS: {ENCODER_STEPS: steps}}
