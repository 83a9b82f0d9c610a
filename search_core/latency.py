"""How long a search by a plan takes beside another, in one process and in turns, so that both meet the same weather."""

from __future__ import annotations

import time

import numpy as np

from search_core.gate import Latency
from search_core.road.candidate import Candidate

QUESTIONS = 20  # timed with each candidate
TURNS = 3  # of which the quickest counts: what else the machine did is in the others


def compare_latency(before: Candidate, after: Candidate, places: tuple[int, ...]) -> Latency | None:
    """Whole searches, encoding, adapter and both legs included; None where both are the same."""
    if before.plan == after.plan and after.model is None:
        return None
    times: dict[bool, list[float]] = {False: [], True: []}
    for place in places[:QUESTIONS]:
        turns: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(TURNS):
            for is_after, candidate in ((False, before), (True, after)):
                began = time.perf_counter()
                _search(candidate, place)
                turns[is_after].append((time.perf_counter() - began) * 1000)
        for is_after, taken in turns.items():
            times[is_after].append(min(taken))
    old, new = (float(np.median(times[is_after])) for is_after in (False, True))
    return Latency(old, new)


def _search(candidate: Candidate, place: int) -> None:
    legs, plan = candidate.legs, candidate.plan
    text = legs.questions[place].text
    vector = candidate.encoder.encode_passages([text])  # queries are remembered; a new one costs what this costs
    if candidate.adapter is not None:
        vector = candidate.adapter.apply(vector)
    legs.snapshot.words.search(text, plan.sparse_depth)
    scores = (vector @ legs.snapshot.vectors.T)[0]
    np.argpartition(-scores, min(plan.dense_depth, len(scores)) - 1)
    legs.rank(plan, place)
