"""A fair gain above zero is the better bet to go on with; where questions are asked again they count once."""

from __future__ import annotations

import numpy as np

from retrieval.catalog.eval_sets import EvalQuery
from search_core.candidate import is_better, is_better_bet

ASKED = tuple(EvalQuery(f"q{at}", f"question {at}", {f"d{at}": 1}) for at in range(40))
BEFORE = np.full(40, 0.5)


def test_a_small_gain_is_gone_on_with_and_is_no_proof() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 40)
    values = BEFORE + noise - noise.mean() + 0.005
    assert is_better_bet(values, BEFORE, ASKED)
    assert not is_better(values, BEFORE, ASKED)


def test_nothing_and_a_loss_are_not_gone_on_with() -> None:
    assert not is_better_bet(BEFORE, BEFORE, ASKED)
    assert not is_better_bet(BEFORE - 0.001, BEFORE, ASKED)


def test_a_question_that_is_asked_again_counts_once() -> None:
    again = (*[EvalQuery(f"a{at}", "question 0", {"d0": 1}) for at in range(20)], *ASKED[1:])
    gain = np.where(np.arange(len(again)) < 20, 0.1, -0.01)  # for one question, asked twenty times
    assert not is_better_bet(gain, np.zeros(len(again)), again)
