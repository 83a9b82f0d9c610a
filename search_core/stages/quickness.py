"""Whether a candidate is as quick as the gate will ask of it: what is not would be refused whole at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from search_core.candidate import Candidate, StageReport
from search_core.conditions import Conditions
from search_core.proof.gate import why_too_slow
from search_core.proof.latency import compare_latency
from search_core.proof.reasons import Reason

DIFFUSION, RANKER = "diffusion.edges", "ranker"  # of the search space


def too_slow(conditions: Conditions, candidate: Candidate) -> tuple[Reason, ...]:
    """Why it is too slow beside what serves, timed with the `choose` questions; empty where it is not.

    What serves is compared with, as by the gate. The tier's start may be quicker: by words alone, where vectors knew
    nothing before.
    """

    def measured() -> tuple[Reason, ...]:
        latency = compare_latency(conditions.catalog, conditions.serving, candidate, conditions.split.choose)
        return why_too_slow(latency, conditions.spec.latency_ms)

    return conditions.timed.too_slow(_name(candidate), measured)


def _name(candidate: Candidate) -> str:
    """By its plan, which names what it has learned by its content, and the encoder that was tuned for it."""
    model = "" if candidate.model is None else f"{candidate.model.folder.name} "
    return f"{model}{candidate.plan.digest}"


def given_up(reason: Reason, gain: float) -> Reason:
    """The reason of `too_slow` with what its candidate was worth on the questions that it was chosen by."""
    return Reason(reason.code, f"{reason}, so {gain:+.4f} on the questions it was chosen by was given up")


def kept_if_quick(
    conditions: Conditions, start: Candidate, found: Candidate, report: StageReport, earlier: Sequence[StageReport] = ()
) -> tuple[Candidate, StageReport]:
    """What a tier that chooses no plan hands on, and its report; it began with `start`, which the `earlier` tiers made.

    Where what it found makes searches too slow, the plan's diffusion or the ranker is given up for it, if that loses
    less than was gained; else nothing is kept.
    """
    if not report.kept or report.best is None:
        return start, report
    reasons = too_slow(conditions, report.best)
    if not reasons:
        return found, report
    gain = report.gain or 0.0
    offers: list[tuple[float, str, Candidate, Candidate]] = []
    for part, without in (("diffusion", _without_diffusion), ("ranker", _without_ranker)):
        best = None if part == report.tier else without(conditions, report.best)
        if best is not None:
            left = gain - _worth(conditions, part, start, without(conditions, start), earlier)
            offers.append((left, part, best, without(conditions, found) or found))
    for left, part, best, handed_on in sorted(offers, key=lambda offer: -offer[0]):
        if left > 0 and not too_slow(conditions, best):
            reason = f"in place of the {part}, beside which searches would be too slow"
            return handed_on, replace(report, best=best, gain=left, reason=reason)
    return start, replace(report, kept=False, reason=given_up(reasons[0], gain))


def _worth(
    conditions: Conditions, part: str, start: Candidate, plain: Candidate | None, earlier: Sequence[StageReport]
) -> float:
    """What a part of the start is worth on `choose`; by the report of its tier, which judged it by other questions."""
    told = next((one.gain for one in earlier if one.tier == part and one.kept), None)
    if told is not None or plain is None:
        return told or 0.0
    places, metric = conditions.split.choose, conditions.spec.metric
    return float((start.values(places, metric) - plain.values(places, metric)).mean())


def _without_diffusion(conditions: Conditions, one: Candidate) -> Candidate | None:
    """The candidate by its plan without diffusion; None where it has none, or the space cannot say so."""
    if one.plan.diffusion is None or not conditions.space.has(DIFFUSION, "none"):
        return None
    choices = one.architecture.as_dict() | {DIFFUSION: "none"}
    return one.with_plan(conditions.space.complete(choices), replace(one.plan, diffusion=None))


def _without_ranker(conditions: Conditions, one: Candidate) -> Candidate | None:
    """The candidate without its ranker; None where it has none."""
    if one.plan.ranker is None:
        return None
    choices = {name: value for name, value in one.architecture.choices if name != RANKER}
    return one.without_ranker(conditions.space.complete(choices))
