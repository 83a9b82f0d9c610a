"""Whether a candidate is as quick as the gate will ask of it: what is not would be refused whole at the end."""

from __future__ import annotations

from dataclasses import replace

from search_core.conditions import Conditions
from search_core.proof.gate import why_too_slow
from search_core.proof.latency import compare_latency
from search_core.proof.reasons import Reason
from search_core.stages.candidate import Candidate, StageReport

DIFFUSION = "diffusion.edges"  # of the search space


def too_slow(conditions: Conditions, candidate: Candidate) -> tuple[Reason, ...]:
    """Why it is too slow beside what serves, timed with the `choose` questions; empty where it is not.

    What serves is compared with, as by the gate. The tier's start may be quicker: by words alone, where vectors knew
    nothing before.
    """
    latency = compare_latency(conditions.catalog, conditions.serving, candidate, conditions.split.choose)
    return why_too_slow(latency, conditions.spec.latency_ms)


def given_up(reason: Reason, gain: float) -> Reason:
    """The reason of `too_slow` with what its candidate was worth on the questions that it was chosen by."""
    return Reason(reason.code, f"{reason}, so {gain:+.4f} on the questions it was chosen by was given up")


def kept_if_quick(
    conditions: Conditions, start: Candidate, found: Candidate, report: StageReport
) -> tuple[Candidate, StageReport]:
    """What a tier that chooses no plan hands on, and its report; the tier began with `start`.

    Where what it found makes searches too slow, the plan's diffusion is given up for it if that loses less than was
    gained, both on `choose`; else nothing is kept.
    """
    if not report.kept or report.best is None:
        return start, report
    reasons = too_slow(conditions, report.best)
    if not reasons:
        return found, report
    gain = report.gain or 0.0
    plain, best = (_without_diffusion(conditions, one) for one in (start, report.best))
    if plain is not None and best is not None:
        places, metric = conditions.split.choose, conditions.spec.metric
        left = gain + float((plain.values(places, metric) - start.values(places, metric)).mean())
        handed_on = _without_diffusion(conditions, found) or found
        if left > 0 and not too_slow(conditions, best):
            reason = "in place of the diffusion, beside which searches would be too slow"
            return handed_on, replace(report, best=best, gain=left, reason=reason)
    return start, replace(report, kept=False, reason=given_up(reasons[0], gain))


def _without_diffusion(conditions: Conditions, one: Candidate) -> Candidate | None:
    """The candidate by its plan without diffusion; None where it has none, or the space cannot say so."""
    choices = one.architecture.as_dict()
    if one.plan.diffusion is None or not conditions.space.has(DIFFUSION, "none"):
        return None
    return one.with_plan(conditions.space.complete(choices | {DIFFUSION: "none"}), replace(one.plan, diffusion=None))
