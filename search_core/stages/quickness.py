"""Whether a candidate is as quick as the gate will ask of it: what is not would be refused whole at the end."""

from __future__ import annotations

from search_core.conditions import Conditions
from search_core.proof.gate import why_too_slow
from search_core.proof.latency import compare_latency
from search_core.proof.reasons import Reason
from search_core.stages.candidate import Candidate


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
