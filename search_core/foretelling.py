"""How long a run's questions will take, from some of them.

A budget that their asking and proving would overrun is refused before it is spent; what the end needs is kept for it.
"""

from __future__ import annotations

from retrieval.contracts import Encoder
from retrieval.plan import Plan
from search_core.clock import Clock
from search_core.errors import BudgetError
from search_core.latency import QUESTIONS, TURNS
from search_core.legs import ask_legs
from search_core.served_parts import Parts, as_served
from search_core.snapshot import CorpusSnapshot
from search_core.splits import Split
from search_core.supervision import Supervision

FIRST, SAMPLE = 4, 24  # questions: not timed, for what is opened with them, and timed
ANYWAY, A_TIER = 5, 3  # rankings of each sealed question at the end: of what serves, and of each tier's best
COMPARED = 2  # times that latencies are compared once the last tier's time is over: by that tier, and by the gate


def keep_time(
    clock: Clock,
    tiers: int,
    snapshot: CorpusSnapshot,
    encoder: Encoder,
    supervision: Supervision,
    split: Split,
    plan: Plan,
    parts: Parts,
) -> None:
    """Keep what the end needs. Raises `BudgetError` where asking all questions and proving one plan takes too long."""
    questions = supervision.questions
    some = questions[:: max(1, len(questions) // (FIRST + SAMPLE))][: FIRST + SAMPLE]
    spent: list[float] = []
    for sample in (some[:FIRST], some[FIRST:] or some):
        began = clock.seconds
        vectors = encoder.encode_passages([question.text for question in sample])  # queries are remembered
        legs = as_served(ask_legs(snapshot, encoder, sample, vectors), parts)
        asked = clock.seconds
        for place in range(len(sample)):
            legs.best(plan, place)
        spent = [(asked - began) / len(sample), (clock.seconds - asked) / len(sample)]
    asking, ranking = spent
    timing = COMPARED * 2 * TURNS * QUESTIONS * (asking + ranking)
    ending = (ANYWAY + A_TIER * tiers) * len(split.sealed) * ranking + timing
    needed = clock.seconds + len(questions) * asking + len(split.fit + split.choose) * ranking + ending
    if needed > clock.budget:
        raise BudgetError(
            f"{len(questions)} questions take about {needed:.0f} s to ask and to prove one plan by, and the budget is "
            f"{clock.budget:g} s; expected at least {2 * needed:.0f} s, or fewer questions"
        )
    clock.keep(ending)
