"""What the counts of a rollout say against its candidate: tests that hold at every look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from api.rollout.tally import POINTS
from retrieval.catalog.rollouts import Stage
from retrieval.evaluation.sequential import e_more_often, e_mostly
from retrieval.search.request_time import LATENCY_RATIO

LEVEL = 0.05  # how often a rollout whose candidate is no worse is rolled back, at most, at each stage
CHECKS = {Stage.SHADOW: 3, Stage.CANARY: 5}  # the level is shared by so many
ANSWER_CHECKS = 2  # and by these in the canary of an answer model
MIN_DIFFERENCE = {  # smaller differences roll nothing back
    "errors": 0.005,
    "empty": 0.01,
    "unhelpful": 0.05,
    "latency": 0.05,
    "answers": 0.02,
    "answer latency": 0.05,
}

Sums = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: rates of the candidate and of what serves, the evidence that it is worse, and what is enough."""

    name: str
    candidate: float | None
    serving: float | None
    evidence: float  # an e-value: 1 says nothing
    limit: float
    is_worse: bool
    words: str


def checks(stage: Stage, sums: Sums, *, answers: bool = False) -> list[Check]:
    """Every check of that stage; `answers`: the rollout exchanges the answer model too."""
    if stage is Stage.SHADOW:
        return list(_of_pairs(sums))
    return list(_of_arms(sums, answers)) if stage is Stage.CANARY else []


def regression(stage: Stage, sums: Sums, *, answers: bool = False) -> str:
    """Why the candidate has to go back; "" while nothing says so."""
    return "; ".join(check.words for check in checks(stage, sums, answers=answers) if check.is_worse)


def _of_pairs(sums: Sums) -> Iterator[Check]:
    pairs = _sum(sums, "pair", "pairs")
    for name, event in (("errors", "error"), ("empty", "empty")):
        worse, better = _sum(sums, "pair", f"{event}_worse"), _sum(sums, "pair", f"{event}_better")
        of = pairs + (worse + better if event == "error" else 0)
        evidence = e_mostly(worse, worse + better)
        what = f"{_WORDS[name]}: {worse:.0f} of {of:.0f} searches only by the candidate, {better:.0f} only by the other"
        yield _check(CHECKS[Stage.SHADOW], name, (worse, of), (better, of), evidence, what)
    slower = _sum(sums, "pair", "slower")
    what = f"{slower:.0f} of {pairs:.0f} searches take more than {LATENCY_RATIO} times as long"
    shared = CHECKS[Stage.SHADOW]
    yield _check(shared, "latency", (slower, pairs), (pairs / 2, pairs), e_mostly(slower, pairs), what)


def _of_arms(sums: Sums, answers: bool) -> Iterator[Check]:
    shared = CHECKS[Stage.CANARY] + (ANSWER_CHECKS if answers else 0)
    for name, event, of in (
        ("errors", ("errors",), ("searches",)),
        ("empty", ("empty",), ("searches",)),
        ("unhelpful", ("unhelpful",), ("helpful", "unhelpful")),
        *(("latency", (f"over_{point}",), ("timed",)) for point in POINTS),
        *((("answers", ("answers_failed",), ("answers",)),) if answers else ()),
        *((("answer latency", ("over_answer",), ("answers_timed",)),) if answers else ()),
    ):
        bad, seen = _sum(sums, "candidate", *event), _sum(sums, "candidate", *of)
        other_bad, other_seen = _sum(sums, "serving", *event), _sum(sums, "serving", *of)
        words = _WORDS[name] if name != "latency" else f"slower than {LATENCY_RATIO} times the {event[0][5:]} before"
        what = f"{words}: {bad:.0f} of {seen:.0f} by the candidate, {other_bad:.0f} of {other_seen:.0f} by what serves"
        evidence = e_more_often(bad, seen, other_bad, other_seen)
        yield _check(shared, name, (bad, seen), (other_bad, other_seen), evidence, what)


_WORDS = {
    "errors": "failed searches",
    "empty": "searches without a hit",
    "unhelpful": "thumbs down",
    "answers": "answers that another model had to give",
    "answer latency": "answers that took too long",
}


def _check(
    shared: int, name: str, ours: tuple[float, float], other: tuple[float, float], evidence: float, what: str
) -> Check:
    candidate, serving = (events / of if of else None for events, of in (ours, other))
    limit = shared / LEVEL
    apart = 0.0 if candidate is None else candidate - (serving or 0.0)
    worse = evidence >= limit and apart >= MIN_DIFFERENCE[name]
    words = f"{what} (evidence {evidence:.3g}, {limit:.0f} is enough)"
    return Check(name, candidate, serving, evidence, limit, worse, words)


def _sum(sums: Sums, arm: str, *measures: str) -> float:
    return sum(sums.get((arm, measure), 0.0) for measure in measures)
