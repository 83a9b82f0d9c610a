"""The judge of answers that came while plans were exchanged: each thing that may be wrong is planted, and found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.benchmarks.bench_promotion import judged_row
from tests.benchmarks.promotion_changes import Change
from tests.benchmarks.promotion_judge import (
    Answer,
    FoundChange,
    Hits,
    Step,
    Verdict,
    changed_sessions,
    judged,
    judged_change,
)
from tests.benchmarks.promotion_truth import Truth, passage
from tests.benchmarks.promotion_world import MEANING

TOLERANCE = 0.005
FIRST, SECOND = 1, 2  # generations
OLD, NEW = "0ld", "new"  # plans
OF_FIRST: Hits = [("a one", 1.0), ("b one", 0.9), ("c one", 0.8), ("d one", 0.5)]
OF_SECOND: Hits = [("b one", 1.0), ("e one", 0.95), ("a one", 0.7), ("c one", 0.6)]
EXPECTED = {FIRST: OF_FIRST, SECOND: OF_SECOND}
STEPS = [
    Step("old serves", 0.0, 0.0, frozenset({(FIRST, OLD)})),
    Step("takeover", 10.0, 12.0, frozenset({(SECOND, NEW)}), frozenset({(FIRST, NEW)})),
]


def verdict(hits: Hits, plan: str = OLD, asked: float = 1.0, came: float = 2.0) -> Verdict:
    return judged(Answer(asked, came, plan, hits), EXPECTED, STEPS, TOLERANCE)


def test_what_a_plan_gives_over_one_generation_is_right() -> None:
    assert verdict(OF_FIRST) is Verdict.RIGHT
    assert verdict(OF_SECOND, NEW, 13.0, 14.0) is Verdict.RIGHT


@pytest.mark.parametrize(
    "hits",
    [
        [OF_FIRST[0], OF_SECOND[1], *OF_FIRST[1:3]],  # one hit of the other generation among its own
        [*OF_FIRST[:3], ("b one", 0.5)],  # twice the same
        [("a one", 1.0), ("b one", 0.93), *OF_FIRST[2:]],  # the right passages by the scores of other vectors
        [("a one", 1.0), ("b another text", 0.9), *OF_FIRST[2:]],  # a text that the document does not have
        [OF_FIRST[1], OF_FIRST[0], *OF_FIRST[2:]],  # not by its scores
        OF_FIRST[:3],  # one is missing
        [*OF_FIRST[:2], OF_FIRST[3], ("e one", 0.5)],  # one further up is missing
        [],
    ],
)
@pytest.mark.parametrize(("plan", "asked"), [(OLD, 1.0), (NEW, 11.0), (NEW, 13.0)])
def test_a_planted_mixture_is_found_whenever_it_comes(hits: Hits, plan: str, asked: float) -> None:
    assert verdict(hits, plan, asked, asked + 1.0) is Verdict.MIXED


def test_only_a_tie_at_the_end_may_be_exchanged() -> None:
    assert verdict([*OF_FIRST[:3], ("e one", 0.502)]) is Verdict.RIGHT
    assert verdict([*OF_FIRST[:3], ("e one", 0.52)]) is Verdict.MIXED


def test_who_serves_no_more_or_not_yet_is_late() -> None:
    assert verdict(OF_FIRST, OLD, 11.9, 13.0) is Verdict.RIGHT  # asked before the step was taken
    assert verdict(OF_FIRST, OLD, 12.1, 13.0) is Verdict.LATE
    assert verdict(OF_SECOND, NEW, 8.0, 9.9) is Verdict.LATE
    assert verdict(OF_SECOND, NEW, 8.0, 10.1) is Verdict.RIGHT
    assert verdict(OF_SECOND, OLD, 13.0, 14.0) is Verdict.LATE  # the old plan over the new generation
    assert verdict(OF_FIRST, NEW, 11.0, 11.5) is Verdict.RIGHT  # passing
    assert verdict(OF_FIRST, NEW, 12.1, 13.0) is Verdict.LATE


def test_a_plan_without_its_parts_is_told() -> None:
    assert (
        judged(replace(Answer(1.0, 2.0, OLD, OF_FIRST), degraded=True), EXPECTED, STEPS, TOLERANCE) is Verdict.DEGRADED
    )


def test_a_session_that_sees_both_plans_of_one_stage_is_named() -> None:
    answers = [
        ("kept", Answer(13.0, 14.0, NEW, [])),
        ("kept", Answer(15.0, 16.0, NEW, [])),
        ("moved", Answer(13.0, 14.0, NEW, [])),
        ("moved", Answer(15.0, 16.0, OLD, [])),
        ("before", Answer(11.0, 14.0, OLD, [])),
        ("before", Answer(15.0, 16.0, NEW, [])),
    ]
    assert changed_sessions(answers, STEPS[1], 20.0) == ["moved"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (FoundChange(1.0, 2.0, OLD, True, 0.8, None), Verdict.RIGHT),
        (FoundChange(13.0, 14.0, NEW, True, 0.7, None), Verdict.RIGHT),
        (FoundChange(13.0, 14.0, NEW, True, 0.8, None), Verdict.LATE),  # by the former encoder
        (FoundChange(13.0, 14.0, OLD, True, 0.7, None), Verdict.LATE),  # by the former plan
        (FoundChange(13.0, 14.0, NEW, True, 0.1, None), Verdict.MIXED),  # the query of one, the passage of the other
        (FoundChange(13.0, 14.0, NEW, True, None, None), Verdict.RIGHT),  # found by words
        (FoundChange(1.0, 2.0, OLD, False, None, None), Verdict.MISSING),  # words would have found it
        (FoundChange(1.0, 2.0, OLD, False, None, 0.6), Verdict.MISSING),  # nearer than the last hit
        (FoundChange(1.0, 2.0, OLD, False, None, 0.9), Verdict.RIGHT),  # too far for this plan
    ],
)
def test_a_change_is_found_at_once_and_by_what_serves(found: FoundChange, expected: Verdict) -> None:
    assert judged_change(found, {FIRST: 0.8, SECOND: 0.7}, STEPS) is expected


class Known(Truth):
    """What is given in peace, from a table."""

    def __init__(self) -> None:
        """Nothing is opened."""

    def expected(self, query: str, digest: str, generations: Iterable[int] = ()) -> dict[int, Hits]:
        if digest != MEANING.digest:
            return {FIRST: [], SECOND: []}
        told = {one: EXPECTED[one] for one in set(generations) or EXPECTED}
        return {one: [(passage(*name.split()), score) for name, score in hits] for one, hits in told.items()}

    def cosines(self, change: Change) -> dict[int, float]:
        return {FIRST: 0.8, SECOND: 0.7}


def kept(number: int, hits: Hits, asked: float, **more: Any) -> dict[str, Any]:
    told = [{"key": key, "text": text, "score": score} for (key, text), score in ((p.split(), s) for p, s in hits)]
    answer = {"plan": MEANING.digest, "degraded": [], "hits": told, **more}
    about = {"number": number, "session": number % 2, "query": "a", "due": asked, "asked": asked, "came": asked + 0.5}
    return about | {"answer": answer}


def test_the_row_counts_whatever_is_wrong_and_shows_the_first() -> None:
    steps = [
        Step("first serves", 0.0, 0.0, frozenset({(FIRST, MEANING.digest)})),
        Step("takeover", 10.0, 12.0, frozenset({(SECOND, MEANING.digest)})),
    ]
    right = [kept(number, OF_FIRST, 1.0) for number in (0, 10)] + [kept(20, OF_SECOND, 13.0)]
    mixed = kept(1, [*OF_FIRST[:2], *OF_SECOND[2:]], 11.0)
    without = kept(2, OF_SECOND, 13.0, degraded=["adapter"])
    late = kept(3, OF_FIRST, 13.0)
    failed = {**kept(4, [], 13.0), "error": "500"}
    hit = {"key": "k", "text": "new text", "explain": {"dense": {"score": 0.7}}}
    changes = [
        Change(13.0, 13.5, "k", "new text", "q", {"plan": MEANING.digest, "hits": [hits]})
        for hits in (hit, hit | {"text": "old text", "explain": {"dense": {"score": 0.1}}})
    ]
    row = judged_row([*right, mixed, without, late, failed], steps, changes, Known(), 0.02)
    wrong = row["wrong"]
    assert wrong.pop("too many that prove too little") == 1, "half of the changes were not shown"
    assert {name: count for name, count in wrong.items() if count} == {
        "failed": 1,
        "mixed": 1,
        "without a part": 1,
        "late": 1,
        "changes missing": 1,
    }
    assert row["first"].keys() == {"failed", "mixed", "degraded", "late", "change missing"}
    assert row["told"] == {"generation": 1.0, "plan": 1.0}
    clean = judged_row(right, steps, changes[:1], Known(), 0.02)
    assert not any(clean["wrong"].values()), clean
