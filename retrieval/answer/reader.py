"""Span readers: for a question and a passage, the very words that answer it, or none, and how sure that is.

`Reader` is the seam; `OnnxReader` serves a folder made by `kb readers`. Positions always come from the tokenizer's
offsets, so that an answer is a piece of the passage, character by character, also where the vocabulary knows none of
its characters.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from retrieval.answer.reader_folder import GRAPH_FILE, TOKENIZER_FILE, Calibration, read_folder
from retrieval.answer.reader_input import Piece, Window, split, windows
from retrieval.answer.span_choice import ScoredSpan, best_span
from retrieval.encoder.tower import open_session
from retrieval.errors import EncoderError, ReaderError

PASSAGE_CACHE = 512  # tokenised passages kept; a passage is asked about more than once
MAX_LOG_ODDS = 30.0  # beyond it a probability is 0 or 1 to all digits


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in one passage: characters `start` to `end`, and the probability that they answer.

    `answers` says whether that suffices; the span is the best one there is even where it does not, and empty in a
    passage without words.
    """

    start: int
    end: int
    confidence: float
    answers: bool
    margin: float = -math.inf  # of the span's logit over that of "no answer"


class Reader(Protocol):
    """Reads passages for an answer. `retrieval.testing.reader` holds its contract."""

    def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        """One reading a passage, in the order given; a reading does not depend on the other passages."""
        ...

    def close(self) -> None:
        """Release threads; the reader is not used afterwards."""
        ...


class OnnxReader:
    """Serves a verified folder. Safe to share between threads. `threads` 0: one a core. Raises `ReaderError`."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.manifest = read_folder(folder)
        self._tokenizer = load_tokenizer(folder / TOKENIZER_FILE)
        try:
            self._session = open_session(folder / GRAPH_FILE)
        except EncoderError as error:
            raise ReaderError(f"reader {folder}: {error}") from error
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="reader")
        self._split = lru_cache(PASSAGE_CACHE)(lambda text: split(self._tokenizer, text))

    def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        """See `Reader.read`; windows run beside each other, the longest first."""
        asked = split(self._tokenizer, question)
        cut = [(row, window) for row, text in enumerate(passages) for window in self._windows(asked, text)]
        cut.sort(key=lambda pair: -len(pair[1].ids))
        best: dict[int, ScoredSpan] = {}
        for (row, _), span in zip(cut, self._pool.map(self._span, [window for _, window in cut]), strict=True):
            if span and (row not in best or _rank(span) > _rank(best[row])):
                best[row] = span
        return [reading_of(best.get(row), self.manifest.calibration) for row in range(len(passages))]

    def close(self) -> None:
        """End the reader's threads."""
        self._pool.shutdown()

    def _windows(self, asked: Piece, text: str) -> list[Window]:
        return list(windows(asked, self._split(text), self.manifest.layout))

    def _span(self, window: Window) -> ScoredSpan | None:
        fed = {"input_ids": np.array([window.ids], np.int64), "token_type_ids": np.array([window.types], np.int64)}
        scores = self._session.run(None, fed)[0][0]
        return best_span(window, scores, self.manifest.answer_tokens)


def _rank(span: ScoredSpan) -> tuple[float, int, int]:
    """Equal margins: the earlier span, so that the order of windows does not matter."""
    return (span.margin, -span.start, -span.end)


def reading_of(span: ScoredSpan | None, calibration: Calibration) -> Reading:
    """The span with its probability; nothing is found where that is no number."""
    odds = math.nan if span is None else calibration.slope * span.margin + calibration.offset
    if span is None or math.isnan(odds):
        return Reading(0, 0, 0.0, False)
    sure = 1.0 / (1.0 + math.exp(-max(-MAX_LOG_ODDS, min(MAX_LOG_ODDS, odds))))
    return Reading(span.start, span.end, sure, sure >= calibration.least, span.margin)


def load_tokenizer(file: Path) -> Any:
    """A `tokenizers.Tokenizer` that neither cuts nor pads. Raises `ReaderError`."""
    from tokenizers import Tokenizer

    try:
        found = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception
        raise ReaderError(f"tokenizer {file} cannot be read: {error}; expected a fast tokenizer's file") from error
    found.no_padding()
    found.no_truncation()
    return found
