"""Measures a reader on questions with known answers, and the sentence picker beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from infra.wording import counted
from retrieval.answer.generators import AnswerGenerator
from retrieval.answer.reader import Reader, Reading, reading_of
from retrieval.answer.reader_folder import Calibration
from retrieval.answer.reader_generator import sentence_of
from retrieval.answer.span_choice import ScoredSpan
from retrieval.answer.types import Ask, FinalAnswer, Passage
from search_core.errors import SupervisionError
from search_core.reader.data import Question
from search_core.reader.scores import contains, exact, overlap_f1

NEWTON_STEPS = 25
RIDGE = 1e-3  # keeps the fit finite where margins separate right from wrong
BINS = 10  # of as many questions each, for the calibration error (Nguyen and O'Connor 2015)
MIN_EXAMPLES = 20  # fewer say nothing of how sure a margin is


@dataclass(frozen=True, slots=True)
class Answered:
    """A question, what the reader found, and how right that is (0 to 1), refusing not being an option."""

    question: Question
    reading: Reading
    exact: float
    f1: float

    @property
    def right(self) -> bool:
        """Whether the span may be said: it shares at least half with a gold answer."""
        return bool(self.question.answers) and self.f1 >= 0.5

    def calibrated(self, calibration: Calibration) -> Answered:
        """The same with the confidence of another calibration."""
        reading = self.reading
        if not math.isfinite(reading.margin):
            return self
        span = ScoredSpan(reading.start, reading.end, reading.margin)
        return replace(self, reading=reading_of(span, calibration))


@dataclass(frozen=True, slots=True)
class ReaderScores:
    """All in per cent but counts and milliseconds.

    `exact`, `f1`, `sentence` (a gold answer stands in the sentence of the span) are of answerable questions, the span
    always given. `whole_f1` is SQuAD 2.0's: refusing is an answer. `refusal_*` are of the class "no answer"; NaN
    without such questions. `calibration_error` is the expected one in ten bins of equal size.
    """

    questions: int
    exact: float
    f1: float
    sentence: float
    whole_exact: float
    whole_f1: float
    refusal_precision: float
    refusal_recall: float
    refusal_f1: float
    calibration_error: float
    milliseconds: float  # a question, median

    def to_dict(self) -> dict[str, float | None]:
        """Plain values for JSON, which has no NaN."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}


def read_all(reader: Reader, questions: Sequence[Question]) -> tuple[list[Answered], float]:
    """Each question read in its own passage, and the median milliseconds a question took."""
    found, took = [], []
    for question in questions:
        began = time.perf_counter()
        reading = reader.read(question.text, [question.passage])[0]
        took.append((time.perf_counter() - began) * 1e3)
        said = question.passage[reading.start : reading.end]
        golds = question.answers
        found.append(Answered(question, reading, exact(said, golds), overlap_f1(said, golds)))
    return found, float(np.median(took)) if took else math.nan


def scores_of(found: Sequence[Answered], milliseconds: float = math.nan) -> ReaderScores:
    """The figures. Raises `SupervisionError` without questions."""
    if not found:
        raise SupervisionError("there are no questions to measure a reader on; name a file that has some")
    answerable = [one for one in found if one.question.answers]
    whole = [_whole(one) for one in found]
    precision, recall, refusal = _refusals(found)
    return ReaderScores(
        questions=len(found),
        exact=_percent([one.exact for one in answerable]),
        f1=_percent([one.f1 for one in answerable]),
        sentence=_percent([_sentence_holds(one) for one in answerable]),
        whole_exact=_percent([pair[0] for pair in whole]),
        whole_f1=_percent([pair[1] for pair in whole]),
        refusal_precision=precision,
        refusal_recall=recall,
        refusal_f1=refusal,
        calibration_error=calibration_error(found),
        milliseconds=milliseconds,
    )


def picker_scores(picker: AnswerGenerator, questions: Sequence[Question]) -> dict[str, float]:
    """The same of a sentence picker on answerable questions: exact, f1 and sentence, in per cent."""
    rows = []
    for question in questions:
        *_, last = picker.stream(Ask(question.text, [Passage("p", "d", "", question.passage)]))
        assert isinstance(last, FinalAnswer)  # the contract of a generator
        said = " ".join(citation.quote for citation in last.answer.citations)
        rows.append([measure(said, question.answers) for measure in (exact, overlap_f1, contains)])
    columns = np.array(rows, dtype=float).reshape(-1, 3)
    return dict(zip(("exact", "f1", "sentence"), (columns.mean(axis=0) * 100).tolist(), strict=True))


def calibrate(found: Sequence[Answered]) -> Calibration:
    """Log-odds as a line in the margin (Platt 1999), and the least confidence by the best F1 as SQuAD 2.0 counts it.

    Raises `SupervisionError` where there are too few questions, or all are right, or all wrong.
    """
    found = [one for one in found if math.isfinite(one.reading.margin)]  # all but passages without words
    margins = np.array([one.reading.margin for one in found])
    right = np.array([one.right for one in found], dtype=float)
    if len(found) < MIN_EXAMPLES or len(set(right)) < 2:
        raise SupervisionError(
            f"a reader cannot be calibrated on {counted(len(found), 'question')}, {int(right.sum())} of them answered "
            "right; "
            f"expected {MIN_EXAMPLES}, some of them wrong"
        )
    slope, offset = _logistic(margins, right)
    sure = 1.0 / (1.0 + np.exp(-(slope * margins + offset)))
    return Calibration(slope, offset, _least(found, sure))


def crossed(found: Sequence[Answered]) -> list[Answered]:
    """With confidence and threshold of the other half of the articles each: what a calibrated reader is on new ones.

    Raises `SupervisionError` where a half cannot be calibrated on.
    """
    titles = sorted({one.question.article for one in found})
    halves: tuple[list[Answered], list[Answered]] = ([], [])
    for one in found:
        halves[titles.index(one.question.article) % 2].append(one)
    return [
        one.calibrated(calibration)
        for half, other in (halves, halves[::-1])
        for calibration in [calibrate(other)]
        for one in half
    ]


def calibration_error(found: Sequence[Answered]) -> float:
    """Expected difference between confidence and share of right answers, in per cent."""
    order = sorted(found, key=lambda one: one.reading.confidence)
    parts = [part for part in np.array_split(np.arange(len(order)), BINS) if len(part)]
    gaps = [
        abs(np.mean([order[at].reading.confidence for at in part]) - np.mean([order[at].right for at in part]))
        * len(part)
        for part in parts
    ]
    return 100 * float(sum(gaps)) / max(len(order), 1)


def _logistic(margins: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[float, float]:
    """Newton's method on the standardised margin."""
    mean, spread = margins.mean(), margins.std() or 1.0
    design = np.stack([(margins - mean) / spread, np.ones_like(margins)], axis=1)
    weights = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        sure = 1.0 / (1.0 + np.exp(-design @ weights))
        slope = design.T @ (right - sure) - RIDGE * weights
        curve = (design * (sure * (1 - sure))[:, None]).T @ design + RIDGE * np.eye(2)
        weights = weights + np.linalg.solve(curve, slope)
    return float(weights[0] / spread), float(weights[1] - weights[0] * mean / spread)


def _least(found: Sequence[Answered], sure: NDArray[np.float64]) -> float:
    """The confidence above which answering gains most: answering brings a span's F1, refusing 1 where none is right."""
    gain = np.array([one.f1 if one.question.answers else -1.0 for one in found])
    order = np.argsort(-sure, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(gain[order])])
    best = int(total.argmax())
    if best == 0:
        return 1.0
    after = sure[order[best]] if best < len(order) else 0.0
    return float((sure[order[best - 1]] + after) / 2)


def _whole(one: Answered) -> tuple[float, float]:
    refused = not one.reading.answers
    if refused or not one.question.answers:
        right = float(refused and not one.question.answers)
        return right, right
    return one.exact, one.f1


def _refusals(found: Sequence[Answered]) -> tuple[float, float, float]:
    refused = sum(not one.reading.answers for one in found)
    due = sum(not one.question.answers for one in found)
    both = sum(not one.reading.answers and not one.question.answers for one in found)
    if not due:
        return math.nan, math.nan, math.nan
    return 100 * both / max(refused, 1), 100 * both / due, 200 * both / max(refused + due, 1)


def _sentence_holds(one: Answered) -> float:
    passage = Passage("p", "d", "", one.question.passage)
    return contains(sentence_of(passage, one.reading).quote, one.question.answers)


def _percent(values: Sequence[float]) -> float:
    return 100 * float(np.mean(values)) if values else math.nan
