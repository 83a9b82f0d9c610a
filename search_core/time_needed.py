"""How long a run's questions will take, from some of them.

A budget that their asking and proving would overrun is refused before it is spent; what the end needs is kept for it.
A machine that was busy for a moment refuses nothing: by the quickest of some samples a run is refused, by their median
time is kept.
"""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

from retrieval.contracts import Encoder
from retrieval.plan import Plan
from search_core.clock import Clock
from search_core.corpus.legs import ask_legs, hits_for
from search_core.corpus.served_parts import Parts, as_served
from search_core.corpus.snapshot import CorpusSnapshot
from search_core.errors import BudgetError
from search_core.proof.latency import QUESTIONS, TURNS
from search_core.questions.splits import Split
from search_core.questions.supervision import Supervision
from search_core.spaces.plan_mapping import deepest
from search_core.thinning import compared_on

WARM_UP_QUESTIONS = 4  # not timed, for what is opened with them
SAMPLE_QUESTIONS = 6  # of each timed sample
SAMPLES = 4
AT_LEAST = 3  # rankings of each sealed question, whatever is found: by what serves, and by each leg alone
RANKINGS_ALWAYS = 5  # rankings of it at the end at most: of what serves
RANKINGS_PER_TIER = 3  # and of each tier's best
RERANKED = 2  # times as many pairs as of one plan are reranked then: plans share most of their candidates
COMPARED = 2  # times that latencies are compared once the last tier's time is over: by that tier, and by the gate


class _Cost(NamedTuple):
    """Seconds a question."""

    asking: float
    fusing: float  # a plan's ranking of pairs that were reranked before
    reranking: float


def keep_time(
    clock: Clock,
    tiers: int,
    snapshot: CorpusSnapshot,
    encoder: Encoder,
    supervision: Supervision,
    split: Split,
    plan: Plan,
    parts: Parts,
    metric: str,
) -> None:
    """Keep what the end needs. Raises `BudgetError` where asking all questions and proving one plan takes too long.

    What was spent before does not count: it would be spent in vain.
    """
    costs = _costs(clock, snapshot, encoder, supervision, plan, parts, hits_for(metric))
    quickest, usual = _Cost(*map(min, zip(*costs, strict=True))), _Cost(*map(median, zip(*costs, strict=True)))
    asked, sealed = len(supervision.questions), len(split.sealed)
    working = len(compared_on(range(len(split.fit) + len(split.choose) - len(split.taught))))
    needed = asked * quickest.asking + (working + AT_LEAST * sealed) * quickest.fusing
    needed += (working + sealed) * quickest.reranking
    timing = COMPARED * 2 * TURNS * QUESTIONS * sum(usual)
    ending = (
        sealed * ((RANKINGS_ALWAYS + RANKINGS_PER_TIER * tiers) * usual.fusing + RERANKED * usual.reranking) + timing
    )
    if needed > clock.budget:
        raise BudgetError(
            f"{asked} questions take about {needed:.0f} s to ask and to prove one plan by, and the budget is "
            f"{clock.budget:g} s; expected at least {clock.seconds + needed + ending:.0f} s, or fewer questions"
        )
    clock.keep(ending)


def _costs(
    clock: Clock,
    snapshot: CorpusSnapshot,
    encoder: Encoder,
    supervision: Supervision,
    plan: Plan,
    parts: Parts,
    hits: int,
) -> list[_Cost]:
    """Of each sample."""
    questions, count = supervision.questions, WARM_UP_QUESTIONS + SAMPLE_QUESTIONS * SAMPLES
    some = questions[:: max(1, len(questions) // count)][:count]
    timed = some[WARM_UP_QUESTIONS:] or some
    samples = [some[:WARM_UP_QUESTIONS], *(timed[at::SAMPLES] for at in range(min(SAMPLES, len(timed))))]
    costs: list[_Cost] = []
    for sample in samples:
        began = clock.seconds
        vectors = encoder.encode_passages([question.text for question in sample])  # queries are remembered
        legs = ask_legs(snapshot, encoder, sample, vectors, deepest(plan))
        asked = clock.seconds
        served = as_served(legs, parts)
        turns = [clock.seconds]
        for _ in range(1 if plan.rerank is None else 2):  # in the second nothing is left to rerank
            for place in range(len(sample)):
                served.best(plan, place, hits)
            turns.append(clock.seconds)
        first, last = turns[1] - turns[0], turns[-1] - turns[-2]
        costs.append(_Cost(*(spent / len(sample) for spent in (asked - began, last, max(0.0, first - last)))))
    return costs[1:]
