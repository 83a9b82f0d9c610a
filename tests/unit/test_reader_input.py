"""What a reader is given and how its scores become words: windows, token types, spans."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_reader import make_tokenizer

from retrieval.answer.reader import reading_of
from retrieval.answer.reader_folder import Calibration
from retrieval.answer.reader_input import TYPES, Layout, split, token_types, windows
from retrieval.answer.span_choice import ScoredSpan, best_span

LAYOUT = Layout((2,), (3,), (3,), "matches", length=24, stride=8)
PASSAGE = "Maria moved to Berlin in 1987. 她在柏林工作了三十年，后来搬到巴黎。 The pump was replaced 9 times."


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer") / Path("tokenizer.json"))


def test_windows_hold_every_token_of_the_passage(tokenizer: Any) -> None:
    """None is longer than allowed, each begins a stride after the one before, and spans are characters."""
    asked, passage = split(tokenizer, "Where did Maria move?"), split(tokenizer, PASSAGE * 3)
    cut = list(windows(asked, passage, LAYOUT))
    assert len(cut) > 3
    assert all(len(window.ids) == len(window.types) <= LAYOUT.length for window in cut)
    assert set(itertools.chain(*(window.spans for window in cut))) == set(passage.spans)
    for place, window in enumerate(cut):
        start = place * LAYOUT.stride
        assert window.ids[window.first : window.first + len(window.spans)] == passage.ids[start:][: len(window.spans)]
    assert list(windows(asked, split(tokenizer, "  \n"), LAYOUT)) == []


@pytest.mark.parametrize("length", [10, 12, 16, 24])
def test_a_long_question_costs_no_token_of_the_passage(tokenizer: Any, length: int) -> None:
    """It leaves room for less than a stride."""
    asked, passage = split(tokenizer, "Where did Maria"), split(tokenizer, PASSAGE * 3)
    layout = Layout((2,), (3,), (3,), "matches", length=length, stride=16)
    cut = list(windows(asked, passage, layout))
    assert all(len(window.ids) <= length for window in cut)
    assert set(itertools.chain(*(window.spans for window in cut))) == set(passage.spans)


def test_characters_that_the_vocabulary_lacks_keep_their_place(tokenizer: Any) -> None:
    """Every Chinese character is unknown here, and each still stands for itself."""
    passage = split(tokenizer, PASSAGE)
    unknown = tokenizer.token_to_id("[UNK]")
    lost = [PASSAGE[start:end] for one, (start, end) in zip(passage.ids, passage.spans, strict=True) if one == unknown]
    assert "".join(lost) == "她在柏林工作了三十年，后来搬到巴黎。"
    place = lost.index("巴")
    rows = [row for row, one in enumerate(passage.ids) if one == unknown]
    (window,) = windows(split(tokenizer, "搬到哪里？"), passage, Layout((2,), (3,), (3,), "matches", 200, 100))
    scores = np.zeros((len(window.ids), 2), np.float32)
    scores[window.first + rows[place], 0] = scores[window.first + rows[place + 1], 1] = 5
    found = best_span(window, scores, 30)
    assert found is not None
    assert PASSAGE[found.start : found.end] == "巴黎"
    assert found.margin == pytest.approx(10)


def test_types_tell_what_the_question_says(tokenizer: Any) -> None:
    asked, passage = split(tokenizer, "Where was the pump replaced?"), split(tokenizer, PASSAGE)
    asked_types, types = token_types(asked, passage)
    assert max(types) < TYPES
    by_word = {PASSAGE[start:end]: kind for kind, (start, end) in zip(types, passage.spans, strict=True)}
    assert len({by_word[word] for word in ("pump", "Berlin", "9", "moved")}) == 4  # matched, capital, number, plain
    assert sum(asked_types) >= 3  # the, pump, replaced


def test_the_best_span_is_that_of_trying_all(tokenizer: Any) -> None:
    random = np.random.default_rng(0)
    passage = split(tokenizer, PASSAGE)
    for most in (1, 3, 30):
        for window in windows(split(tokenizer, "Where?"), passage, LAYOUT):
            scores = random.normal(size=(len(window.ids), 2)).astype(np.float32)
            pairs = [
                (scores[window.first + first, 0] + scores[window.first + last, 1], first, last)
                for first in range(len(window.spans))
                for last in range(first, min(first + most, len(window.spans)))
                if window.begins[first] and window.closes[last]
            ]
            found = best_span(window, scores, most)
            if not pairs:
                assert found is None
                continue
            total, first, last = max(pairs)
            assert found is not None
            assert (found.start, found.end) == (window.spans[first][0], window.spans[last][1])
            assert found.margin == pytest.approx(total - scores[0].sum(), abs=1e-5)


def test_confidence_is_the_calibrated_margin() -> None:
    calibration = Calibration(slope=2.0, offset=-1.0, least=0.6)
    assert reading_of(ScoredSpan(1, 4, 0.5), calibration).confidence == pytest.approx(0.5)
    assert not reading_of(ScoredSpan(1, 4, 0.5), calibration).answers
    assert reading_of(ScoredSpan(1, 4, 1.0), calibration).answers
    assert reading_of(ScoredSpan(1, 4, 1e9), calibration).confidence == pytest.approx(1)
    assert reading_of(None, calibration).confidence == 0


def test_scores_that_are_no_numbers_are_no_answer(tokenizer: Any) -> None:
    """Of a broken graph; they were taken for certainty."""
    (window,) = windows(split(tokenizer, "Where?"), split(tokenizer, "In Berlin."), LAYOUT)
    for place, value in ((0, np.nan), (window.first, np.nan), (window.first, np.inf), (0, -np.inf)):
        scores = np.zeros((len(window.ids), 2), np.float32)
        scores[place] = value
        assert best_span(window, scores, 30) is None
    for reading in (
        reading_of(ScoredSpan(0, 3, math.nan), Calibration()),
        reading_of(ScoredSpan(0, 3, 1.0), Calibration(slope=math.nan)),
    ):
        assert (reading.confidence, reading.answers) == (0, False)


def test_no_answer_begins_or_ends_inside_a_word(tokenizer: Any) -> None:
    """But between Chinese characters, which stand without spaces, it may."""
    passage = split(tokenizer, "Berlinese 柏林人")
    marked = ["Berlinese 柏林人"[start:end] for start, end in passage.spans]
    inside = [place for place, piece in enumerate(marked) if piece.isascii()]
    assert len(inside) > 1
    assert [passage.begins[place] for place in inside] == [True] + [False] * (len(inside) - 1)
    assert [passage.closes[place] for place in inside] == [False] * (len(inside) - 1) + [True]
    assert all(passage.begins[len(inside) :]) and all(passage.closes[len(inside) :])
