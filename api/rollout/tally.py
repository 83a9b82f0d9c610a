"""What this process counted of rollouts since it last told the catalog."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping

from retrieval.catalog.rollouts import RolloutRecord, Stage
from retrieval.search.request_time import LATENCY_RATIO, is_slower
from retrieval.search.types import SearchResult

STEP = math.log(1.2)  # buckets of milliseconds grow by a fifth
POINTS = ("p50", "p95")
SEARCH_BUCKETS, ANSWER_BUCKETS = "ms:", "answer_ms:"  # what the names of the counts of milliseconds begin with
FIRST_HITS = 10  # whose overlap is compared

Place = tuple[int, Stage]
Sums = dict[tuple[str, str], float]


class Tally:
    """Sums by rollout and stage. Thread-safe."""

    def __init__(self) -> None:
        self._sums: dict[Place, Sums] = {}
        self._guard = threading.Lock()
        self._telling = threading.Lock()

    def add(self, rollout: RolloutRecord, counts: Mapping[tuple[str, str], float]) -> None:
        """Add what one search was."""
        self._merge((rollout.id, rollout.stage), counts)

    def hand_over(self, tell: Callable[[int, Stage, Sums], None]) -> None:
        """Tell everything since the last call; what cannot be told stays, and the error is raised.

        One caller at a time: whoever returns knows that all that was counted before has been told, by whomever.
        """
        with self._telling:
            with self._guard:
                waiting, self._sums = self._sums, {}
            try:
                for place in list(waiting):
                    tell(*place, waiting[place])
                    del waiting[place]
            finally:
                for place, counts in waiting.items():
                    self._merge(place, counts)

    def _merge(self, place: Place, counts: Mapping[tuple[str, str], float]) -> None:
        with self._guard:
            sums = self._sums.setdefault(place, {})
            for key, value in counts.items():
                sums[key] = sums.get(key, 0.0) + value


def of_search(rollout: RolloutRecord, arm: str, result: SearchResult) -> Sums:
    """What a search by that arm counts as."""
    counts = {(arm, "searches"): 1.0, (arm, f"ms:{bucket_of(result.took_ms)}"): 1.0}
    if not result.hits:
        counts[arm, "empty"] = 1.0
    if rollout.reference and POINTS[0] in rollout.reference:
        counts[arm, "timed"] = 1.0
        for point in POINTS:
            usual = rollout.reference[point]
            if is_slower(result.took_ms, usual) if arm == "candidate" else result.took_ms > usual:
                counts[arm, f"over_{point}"] = 1.0
    return counts


def of_answer(rollout: RolloutRecord, arm: str, milliseconds: float, failed: bool) -> Sums:
    """What an answer by that arm counts as; `failed`: another than its model had to give it."""
    counts = {(arm, "answers"): 1.0, (arm, f"{ANSWER_BUCKETS}{bucket_of(milliseconds)}"): 1.0}
    if failed:
        counts[arm, "answers_failed"] = 1.0
    usual = (rollout.reference or {}).get("answer_p95")
    if usual is not None:
        counts[arm, "answers_timed"] = 1.0
        allowed = rollout.options.get("answer_ms") or LATENCY_RATIO * usual
        if milliseconds > (allowed if arm == "candidate" else usual):
            counts[arm, "over_answer"] = 1.0
    return counts


def of_error(arm: str) -> Sums:
    """What a search by that arm counts as that failed."""
    return {(arm, "searches"): 1.0, (arm, "errors"): 1.0}


def of_pair(serving: SearchResult | None, candidate: SearchResult | None) -> Sums:
    """What two searches for the same count as; None: it failed."""
    if serving is None or candidate is None:
        worse = serving is not None
        return {} if serving is candidate else {("pair", "error_worse" if worse else "error_better"): 1.0}
    one, other = ({hit.document_id for hit in result.hits[:FIRST_HITS]} for result in (serving, candidate))
    most = max(len(one), len(other))
    counts = {("pair", "pairs"): 1.0, ("pair", "overlap"): len(one & other) / most if most else 1.0}
    if bool(one) != bool(other):
        counts["pair", "empty_worse" if one else "empty_better"] = 1.0
    if is_slower(candidate.took_ms, serving.took_ms):
        counts["pair", "slower"] = 1.0
    return counts


def bucket_of(milliseconds: float) -> int:
    """The bucket of a latency."""
    return math.floor(math.log(max(milliseconds, 1e-3)) / STEP)


def quantile(
    sums: Mapping[tuple[str, str], float], arm: str, share: float, buckets_of: str = SEARCH_BUCKETS
) -> float | None:
    """Milliseconds below which that share of an arm's searches (or answers) stayed, to a tenth; None without any."""
    mine = ((name.removeprefix(buckets_of), count) for (of, name), count in sums.items() if of == arm)
    buckets = sorted((int(number), count) for number, count in mine if number.lstrip("-").isdigit())
    wanted, seen = share * sum(count for _, count in buckets), 0.0
    for bucket, count in buckets:
        seen += count
        if seen >= wanted:
            return round(math.exp((bucket + 0.5) * STEP), 3)
    return None
