"""How likely a search found what it was asked for: by both legs, by one of them, and by neither."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from api.routes.dify import absolute_scores
from retrieval.search.relevance import Evidence, rarities, share_held, share_of_words

GOOD = Evidence(cosine=0.6, words=0.4, held=1.0, coverage=1.0)
POOR = Evidence(cosine=0.2, words=0.03, held=0.1, coverage=1.0)


def test_what_both_legs_find_is_told_from_what_neither_does() -> None:
    assert GOOD.relevance > 0.8
    assert POOR.relevance < 0.05


@pytest.mark.parametrize("silent", ["cosine", "words"])
def test_a_leg_that_did_not_answer_is_no_evidence_against(silent: str) -> None:
    assert replace(GOOD, **{silent: None}).relevance > 0.8
    assert replace(POOR, **{silent: None}).relevance < 0.2


def test_without_any_leg_nothing_is_known() -> None:
    assert replace(GOOD, cosine=None, words=None).relevance == 0.0


def test_an_encoder_that_cannot_read_the_query_neither_helps_nor_hurts() -> None:
    unread = Evidence(cosine=0.9, words=0.3, held=0.8, coverage=0.1)
    assert unread.relevance > 0.8
    assert replace(unread, words=0.02, held=0.1).relevance < 0.1  # whatever its cosine says
    assert replace(unread, cosine=0.0).relevance == pytest.approx(unread.relevance, abs=0.01)


def test_more_evidence_is_never_less_likely() -> None:
    for name in ("cosine", "words", "held"):
        steps = [replace(POOR, **{name: value}).relevance for value in (0.0, 0.3, 0.6, 1.0)]
        assert steps == sorted(steps)


def test_words_are_shares_of_the_most_that_bm25_can_give() -> None:
    rarity = rarities(["battery", "the", "unheard"], {"battery": 10, "the": 1_000, "gone": 3}, 1_000)
    assert rarity["unheard"] == pytest.approx(math.log(1 + 1_000.5 / 0.5))  # Robertson's formula, by hand
    assert rarity["unheard"] > rarity["battery"] > rarity["the"] > 0
    assert share_of_words(2.2 * sum(rarity.values()), rarity) == 1.0
    assert share_of_words(9e9, rarity) == 1.0 and share_of_words(1.0, {}) == 0.0
    held = share_held(rarity, ["the battery of it"], str.split)
    assert held == pytest.approx((rarity["battery"] + rarity["the"]) / sum(rarity.values()))
    assert share_held(rarity, [], str.split) == 0.0 and share_held({}, ["x"], str.split) == 0.0


class Found:
    """What `absolute_scores` reads of a search."""

    def __init__(self, relevance: float, *scores: float) -> None:
        self.relevance = relevance
        self.hits = [type("Hit", (), {"score": score})() for score in scores]


@pytest.mark.parametrize(
    ("scores", "absolute"),
    [
        ((1.1, 0.55, 0.0), [0.8, 0.4, 0.0]),
        ((0.03, 0.015), [0.8, 0.4]),  # of reciprocal ranks
        ((3.0, 1.0, -1.0), [0.8, 0.4, 0.0]),  # of z-scores, or a reranker's
        ((-1.0, -3.0), [0.8, 0.0]),
        ((0.0, 0.0), [0.8, 0.8]),
        ((), []),
        ((3.0, 1.0), [0.8, 0.2667]),  # as Dify is told, so that a threshold of it keeps it
    ],
)
def test_relative_scores_become_absolute_in_their_order(scores: tuple[float, ...], absolute: list[float]) -> None:
    found: object = Found(0.8, *scores)
    assert absolute_scores(found) == absolute  # type: ignore[arg-type]
