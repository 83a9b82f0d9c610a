"""From many candidates to the one that goes before the sealed questions: one stage a tier, the cheap ones first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from retrieval.plan import DEFAULT_PLAN, Plan
from search_core.candidate import Candidate, StageReport
from search_core.conditions import Conditions
from search_core.corpus.legs import CachedLegs
from search_core.spaces.architecture import Architecture
from search_core.stages.plan_tier import PlanTier, Progress
from search_core.stages.plans import plan_stage
from search_core.stages.quickness import kept_if_quick
from search_core.tiers import shares

SHOWN = 10  # rows of the leaderboard
STAGES = {  # imported when a run comes to them: torch stands behind most
    "ranker": ("search_core.stages.ranker_stage", "ranker_stage"),
    "adapter": ("search_core.stages.adapter_stage", "adapter_stage"),
    "graph": ("search_core.stages.graph_stage", "graph_stage"),
    "encoder": ("search_core.stages.encoder_stage", "encoder_stage"),
    "precedents": ("search_core.stages.precedent_stage", "precedent_stage"),
}
_UNTIMED = ("ranker", "precedents")  # tiers that choose no plan; who chooses one looks at its time himself
Stage = Callable[[Conditions, Candidate, float, float, Progress], tuple[Candidate, StageReport]]


@dataclass(frozen=True, slots=True)
class Finalist:
    """The candidate, what serves now, who came after it on the working questions, and what each stage did."""

    candidate: Candidate
    serving: Candidate
    leaderboard: tuple[Mapping[str, Any], ...]
    policy: Mapping[str, Any]  # its report
    stages: tuple[StageReport, ...]

    @property
    def architecture(self) -> Architecture:
        """Its choices."""
        return self.candidate.architecture

    @property
    def plan(self) -> Plan:
        """What would serve."""
        return self.candidate.plan

    @property
    def legs(self) -> CachedLegs:
        """What both legs answer by its models, to all questions."""
        return self.candidate.legs


def find_finalist(conditions: Conditions, progress: Progress) -> Finalist:
    """Go through the tiers of the run; each begins with the best of the one before, and may keep it.

    What a tier hands on has not learned from `choose`, by which the next one is compared with it; but for the few
    weights of a ranker, which both sides of the next comparison have. What it reports as its best may have, and that
    is the finalist where it was the last to be kept.
    """
    ends = shares(conditions.tiers)
    start = conditions.serving
    best, report, tier = plan_stage(conditions, start, ends["plan"], progress)
    reports, mean, final = [report], tier.best.mean, best
    for name in conditions.tiers[1:]:
        found, report = _stage(name)(conditions, best, mean, ends[name], progress)
        report = _on_top(final, report)
        if name in _UNTIMED:
            found, report = kept_if_quick(conditions, best, found, report, reports)
        reports.append(report)
        if report.kept and report.best is not None:
            mean += report.gain or 0.0
            best, final = found, report.best
    return Finalist(final, start, _leaderboard(tier, reports[0]), reports[0].policy, tuple(reports))


def _on_top(final: Candidate, report: StageReport) -> StageReport:
    """The report with what it found on top of what earlier tiers learned from both parts, by the same encoder."""
    found = report.best
    if found is None or found.model is not final.model:
        return report
    if report.tier == "ranker":
        return replace(report, best=final.ranked_as(found))
    if report.tier == "precedents":
        return replace(report, best=final.remembering_as(found))
    return report


def _stage(name: str) -> Stage:
    module, function = STAGES[name]
    try:
        found: Stage = getattr(import_module(module), function)
    except ImportError as error:
        if error.name is not None and error.name.startswith("search_core"):
            raise
        return _left_out(name, f'it needs {error.name or "torch"}: pip install "autoglm-kb[train]"')
    return found


def _left_out(name: str, reason: str) -> Stage:
    report = StageReport(name, 0, 0.0, 0.0, False, reason)
    return lambda conditions, start, best, share, progress: (start, replace(report))


def _leaderboard(tier: PlanTier, report: StageReport) -> tuple[Mapping[str, Any], ...]:
    """The first plans of the plan tier; the one that it chose is among them."""
    assert report.best is not None
    chosen = report.best.plan
    ranked = sorted(tier.scored.values(), key=lambda one: (-one.mean, one.plan.digest))
    rows = ranked[:SHOWN]
    rows += [one for one in ranked[SHOWN:] if one.plan == chosen]
    return tuple(
        {
            "plan": one.plan.digest,
            "mean": round(one.mean, 5),
            "chosen": one.plan == chosen,
            "default": one.plan == DEFAULT_PLAN,
            "architecture": one.architecture.to_dict() | {"digest": one.architecture.digest},
        }
        for one in rows
    )
