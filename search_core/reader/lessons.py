"""What a reader was taught, kept in its folder as hashes: a question that it knows proves nothing of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from search_core.questions.taught_questions import hashes_of
from search_core.reader.data import Question

LESSONS_FILE = "lessons.json"


@dataclass(frozen=True, slots=True)
class Lessons:
    """Hashes (of `taught_questions`) of questions and passages learnt from, and of those that confidence comes from."""

    learnt: frozenset[str]
    calibrated: frozenset[str]


def write_lessons(folder: Path, learnt: Sequence[Question], calibrated: Sequence[Question]) -> None:
    """Into `LESSONS_FILE`; an export takes it along, and the reader's manifest vouches for it."""
    body = {"learnt": _hashes(learnt), "calibrated": _hashes(calibrated)}
    (folder / LESSONS_FILE).write_text(json.dumps(body), encoding="utf-8")


def read_lessons(folder: Path) -> Lessons | None:
    """None where the folder does not say: it was made elsewhere, by a release that kept none, or is damaged."""
    try:
        body = json.loads((folder / LESSONS_FILE).read_text(encoding="utf-8"))
        return Lessons(frozenset(body["learnt"]), frozenset(body["calibrated"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _hashes(questions: Iterable[Question]) -> tuple[str, ...]:
    return hashes_of(text for one in questions for text in (one.text, one.passage))
