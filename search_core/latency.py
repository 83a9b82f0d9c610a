"""How long a search by a plan takes beside another, in one process and in turns, so that both meet the same weather."""

from __future__ import annotations

import time

import numpy as np

from retrieval.contracts import Encoder
from retrieval.plan import Plan
from search_core.gate import Latency
from search_core.legs import CachedLegs

QUESTIONS = 30  # timed with each plan


def compare_latency(legs: CachedLegs, encoder: Encoder, before: Plan, after: Plan) -> Latency | None:
    """Whole searches, encoding and both legs included; None where the plans are equal."""
    if before == after:
        return None
    count = min(QUESTIONS, len(legs.questions))
    times: dict[bool, list[float]] = {False: [], True: []}
    for place in range(count):
        for is_after, plan in ((False, before), (True, after)):
            began = time.perf_counter()
            _search(legs, encoder, plan, place)
            times[is_after].append((time.perf_counter() - began) * 1000)
    old, new = (float(np.median(times[is_after])) for is_after in (False, True))
    return Latency(old, new)


def _search(legs: CachedLegs, encoder: Encoder, plan: Plan, place: int) -> None:
    text = legs.questions[place].text
    vector = encoder.encode_queries([text])
    legs.snapshot.words.search(text, plan.sparse_depth)
    scores = (vector @ legs.snapshot.vectors.T)[0]
    np.argpartition(-scores, min(plan.dense_depth, len(scores)) - 1)
    legs.rank(plan, place)
