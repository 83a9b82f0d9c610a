"""Judges what searches answered while plans and generations were exchanged. Pure: a test plants what is wrong.

An answer is right where the plan that it names gives these hits with these scores over one generation, and both may
have served at some moment between question and answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

COSINE_TOLERANCE = 0.005  # between what a query and a text have in one process and in another

Hits = Sequence[tuple[str, float]]  # a passage, named by chunk and text, and its score; best first
Served = tuple[int, str]  # a generation, and the digest of a plan


class Verdict(StrEnum):
    """What an answer is."""

    RIGHT = "right"
    MIXED = "mixed"  # no generation gives these hits by the plan that it names
    DEGRADED = "degraded"  # the plan that it names did not search with all its parts
    MISSING = "missing"  # a change that this plan would find is not among the hits
    LATE = "late"  # by a plan or a generation that did not serve any more, or not yet


@dataclass(frozen=True, slots=True)
class Step:
    """Taken from `called` to `returned`, in seconds of one clock; `serves` holds until the next is called.

    `passing`: what may serve besides, and besides what served before, while it is taken.
    """

    name: str
    called: float
    returned: float
    serves: frozenset[Served]
    passing: frozenset[Served] = frozenset()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search got, sent and answered at these seconds of the steps' clock."""

    asked: float
    came: float
    plan: str
    hits: Hits
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class FoundChange:
    """What the first search after a change got.

    `cosine`: of the new text's hit, None where vectors took no part. `last`: of the last hit, where vectors alone rank.
    """

    asked: float
    came: float
    plan: str
    is_hit: bool
    cosine: float | None
    last: float | None


def judged(answer: Answer, expected: Mapping[int, Hits], steps: Sequence[Step], tolerance: float) -> Verdict:
    """What it is; `expected`: generation -> what the plan that it names gives in peace, give or take `tolerance`."""
    if answer.degraded:
        return Verdict.DEGRADED
    generations = explaining(answer.hits, expected, tolerance)
    if not generations:
        return Verdict.MIXED
    allowed = serving(steps, answer.asked, answer.came)
    return Verdict.RIGHT if allowed & {(one, answer.plan) for one in generations} else Verdict.LATE


def explaining(hits: Hits, expected: Mapping[int, Hits], tolerance: float) -> set[int]:
    """The generations in which these hits are what a plan gives; plans of words alone give the same in each."""
    return {generation for generation, known in expected.items() if is_same(hits, known, tolerance)}


def is_same(hits: Hits, expected: Hits, tolerance: float) -> bool:
    """Whether these are the same passages with the same scores; only the last ones may be exchanged by a tie."""
    if len(hits) != len(expected):
        return False
    if not hits:
        return True
    found, known = dict(hits), dict(expected)
    both = found.keys() & known.keys()
    alone = [score for one, score in (*found.items(), *known.items()) if one not in both]
    last = max(hits[-1][1], expected[-1][1])
    return (
        len(found) == len(hits)
        and all(abs(found[one] - known[one]) <= tolerance for one in both)
        and all(abs(score - last) <= tolerance for score in alone)
        and all(above[1] >= below[1] for above, below in zip(hits, hits[1:], strict=False))
    )


def judged_change(found: FoundChange, cosines: Mapping[int, float], steps: Sequence[Step]) -> Verdict:
    """What the search after a change is; `cosines`: generation -> of its query and the new text, by the encoder itself,
    where the plan that the answer names can serve.
    """
    if not found.is_hit:
        is_missing = found.last is None or any(known > found.last + COSINE_TOLERANCE for known in cosines.values())
        return Verdict.MISSING if is_missing else Verdict.RIGHT
    cosine = found.cosine
    by = {one for one, known in cosines.items() if cosine is None or abs(cosine - known) <= COSINE_TOLERANCE}
    if not by:
        return Verdict.MIXED
    allowed = serving(steps, found.asked, found.came)
    return Verdict.RIGHT if allowed & {(one, found.plan) for one in by} else Verdict.LATE


def serving(steps: Sequence[Step], began: float, ended: float) -> set[Served]:
    """What may have served at some moment of that time."""
    found: set[Served] = set()
    for number, step in enumerate(steps):
        until = steps[number + 1].returned if number + 1 < len(steps) else float("inf")
        if began <= until and ended >= step.called:
            found |= step.serves
        if began <= step.returned and ended >= step.called:
            found |= step.passing
    return found


def changed_sessions(answers: Sequence[tuple[str, Answer]], step: Step, until: float) -> list[str]:
    """Sessions that saw more than one plan between a step's end and the next one's beginning."""
    seen: dict[str, set[str]] = {}
    for session, answer in answers:
        if answer.asked > step.returned and answer.came < until:
            seen.setdefault(session, set()).add(answer.plan)
    return sorted(session for session, plans in seen.items() if len(plans) > 1)
