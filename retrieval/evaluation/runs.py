"""Evaluation sets and runs: read questions and judgements, score a run, write it in TREC's format."""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from retrieval.analysis.surrogates import whole_text
from retrieval.errors import InvalidInputError
from retrieval.evaluation.metrics import Judgements, bootstrap_interval, ndcg, recall, reciprocal_rank

Qrels = Mapping[str, Judgements]  # question -> document -> grade
Scored = Sequence[tuple[str, float]]  # documents with scores, best first
Run = Mapping[str, Scored]  # question -> its ranking

MAX_GRADE = 1_000_000  # beyond it, in either direction, a grade is a slip: 32-bit training tells them apart
MAX_DEPTH = 100  # documents of a ranking that a metric may look at
SEED = 0  # of the resamples: equal values have equal intervals
_MEASURES: Mapping[str, Callable[[Sequence[str], Judgements, int], float]] = {
    "ndcg": ndcg,
    "mrr": reciprocal_rank,
    "recall": recall,
}
_NAMED = re.compile(r"([a-z]+)@([1-9][0-9]{0,2})")


@dataclass(frozen=True, slots=True)
class Metric:
    """What the first `depth` documents of a ranking are worth, such as `recall@5`."""

    measure: str
    depth: int

    @classmethod
    def named(cls, name: str) -> Metric:
        """Of a name such as `ndcg@10`, `mrr@10` or `recall@5`. Raises `InvalidInputError` for another."""
        found = _NAMED.fullmatch(name)
        if found is None or found[1] not in _MEASURES or int(found[2]) > MAX_DEPTH:
            raise InvalidInputError(
                f"metric {name!r} is not known; expected {', '.join(_MEASURES)} with a depth from 1 to {MAX_DEPTH}, "
                "such as ndcg@10 or recall@5"
            )
        return cls(found[1], int(found[2]))

    def __call__(self, ranked: Sequence[str], judged: Judgements) -> float:
        """The value for one question, from 0 to 1."""
        return _MEASURES[self.measure](ranked, judged, self.depth)


METRICS: Mapping[str, Metric] = {name: Metric.named(name) for name in ("ndcg@10", "mrr@10", "recall@10", "recall@100")}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions with its bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a run is worth: `values[metric][i]` belongs to `questions[i]`, in the order of the judgements."""

    questions: tuple[str, ...]
    values: Mapping[str, tuple[float, ...]]

    def mean(self, metric: str) -> float:
        """The metric's mean over all judged questions."""
        return float(np.mean(self.values[metric]))

    def estimate(self, metric: str) -> Estimate:
        """The mean with its 95 % bootstrap interval."""
        return Estimate(self.mean(metric), *bootstrap_interval(self.values[metric], seed=SEED))


def evaluate(run: Run, qrels: Qrels) -> Evaluation:
    """Every metric of `METRICS` for every judged question; a question that the run lacks scores 0, as in trec_eval -c.

    Raises `InvalidInputError` where there is no judgement at all.
    """
    if not qrels:
        raise InvalidInputError("the judgements are empty; expected at least one question with a judged document")
    rankings = {question: [document for document, _ in run.get(question, ())] for question in qrels}
    values = {
        name: tuple(metric(rankings[question], judged) for question, judged in qrels.items())
        for name, metric in METRICS.items()
    }
    return Evaluation(tuple(qrels), values)


def read_queries(path: Path) -> dict[str, str]:
    """Question id -> text, from JSON lines `{"id", "text"}` (BEIR's `_id` too), gzip or not.

    Raises `InvalidInputError` with the line that does not fit, or that gives an id another text.
    """
    questions: dict[str, str] = {}
    with _open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                question, text = map(whole_text, _question(line, f"{path}:{number}"))
                if questions.setdefault(question, text) != text:
                    raise InvalidInputError(f"{path}:{number}: question {question!r} stands above with another text")
    return questions


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Judgements by question, from tab-separated query-id, corpus-id, score, with or without a header, gzip or not.

    Raises `InvalidInputError` with the line that does not fit, or that grades the same pair otherwise.
    """
    qrels: dict[str, dict[str, int]] = {}
    with _open_text(path) as lines:
        for number, row in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
            if not row or (number == 1 and _is_header(row)):
                continue
            question, document, grade = _judgement(row, f"{path}:{number}")
            if qrels.setdefault(question, {}).setdefault(document, grade) != grade:
                raise InvalidInputError(
                    f"{path}:{number}: question {question!r} and document {document!r} stand above with another grade"
                )
    return qrels


def write_run(path: Path, run: Run, name: str) -> None:
    """A TREC run file: `question Q0 document rank score name`, rank from 1, which trec_eval and ir-measures read.

    They order by score alone, in 32 bits, so the scores that are written fall from each rank to the next.
    """
    with path.open("w", encoding="utf-8") as file:
        for question, scored in run.items():
            last = np.float32(np.inf)
            for rank, (document, score) in enumerate(scored, start=1):
                last = min(np.float32(score), np.nextafter(last, np.float32(-np.inf)))
                file.write(f"{_token(question)} Q0 {_token(document)} {rank} {last:.9g} {_token(name)}\n")


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """Its lines, while it is open. Raises `InvalidInputError` where it is none, or cannot be read to its end."""
    if not path.exists():
        raise InvalidInputError(f"{path} does not exist; expected an evaluation file (.gz is read too)")
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
            yield lines
    except (OSError, UnicodeError, EOFError, zlib.error, csv.Error) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}; expected text in UTF-8, or that in gzip") from error


def _question(line: str, where: str) -> tuple[str, str]:
    try:
        values = json.loads(line)
        return str(values["id"] if "id" in values else values["_id"]), str(values["text"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f'{where}: {line.strip()[:80]!r}; expected a line like {{"id": "q1", "text": "…"}}'
        ) from error


def _is_header(row: Sequence[str]) -> bool:
    """A first line whose last column is a word rather than a number, such as `query-id corpus-id score`."""
    try:
        float(row[-1])  # "nan" and "inf" are no header
    except ValueError:
        return not any(letter.isdigit() for letter in row[-1])
    return False


def _judgement(row: Sequence[str], where: str) -> tuple[str, str, int]:
    try:
        question, document, score = row
        grade = int(score)
    except ValueError as error:
        shown = "\t".join(row)[:80]
        raise InvalidInputError(
            f"{where}: {shown!r}; expected three columns, query-id, corpus-id and a whole score, separated by tabs"
        ) from error
    if abs(grade) > MAX_GRADE:
        raise InvalidInputError(
            f"{where}: score {score[:80]} of question {question!r} and document {document!r}; expected a whole number "
            f"from {-MAX_GRADE} to {MAX_GRADE}: mend that line"
        )
    return question, document, grade


def _token(text: str) -> str:
    """White space would start another column."""
    return "_".join(text.split()) or "_"
