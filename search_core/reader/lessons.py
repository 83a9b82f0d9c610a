"""What a reader was taught, kept in its folder as hashes: a question that it knows proves nothing of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval.catalog.eval_sets import words_of
from search_core.reader.data import Question

LESSONS_FILE = "lessons.json"
DIGITS = 16  # of a hash in hexadecimal: 64 bits


@dataclass(frozen=True, slots=True)
class Lessons:
    """Hashes (`fingerprint`) of the questions and passages learnt from, and of those that confidence comes from."""

    learnt: frozenset[str]
    calibrated: frozenset[str]


def fingerprint(text: str) -> str:
    """Of a question or a passage, its capitals and white space aside."""
    return hashlib.sha256(words_of(text).encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def write_lessons(folder: Path, learnt: Sequence[Question], calibrated: Sequence[Question]) -> None:
    """Into `LESSONS_FILE`; an export takes it along, and the reader's manifest vouches for it."""
    body = {"learnt": _fingerprints(learnt), "calibrated": _fingerprints(calibrated)}
    (folder / LESSONS_FILE).write_text(json.dumps(body), encoding="utf-8")


def read_lessons(folder: Path) -> Lessons | None:
    """None where the folder does not say: it was made elsewhere, by a release that kept none, or is damaged."""
    try:
        body = json.loads((folder / LESSONS_FILE).read_text(encoding="utf-8"))
        return Lessons(frozenset(body["learnt"]), frozenset(body["calibrated"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fingerprints(questions: Iterable[Question]) -> list[str]:
    return sorted({fingerprint(text) for one in questions for text in (one.text, one.passage)})
