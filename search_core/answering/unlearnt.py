"""Leaves out the questions that a reader learnt from, or the reader: what it was taught proves nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from retrieval.answer.reader_folder import MANIFEST_FILE, read_folder
from retrieval.errors import ReaderError
from search_core.answering.questions import MIN_QUESTIONS
from search_core.errors import SupervisionError
from search_core.questions.taught_questions import hash_of
from search_core.reader.lessons import read_lessons

T = TypeVar("T")

MIN_KEPT = 0.75  # share of the questions that readers which do not serve must leave to the others, ...
ENOUGH = 200  # ... unless so many remain all the same


class Unlearnt(NamedTuple, Generic[T]):
    """The questions to ask, the names of readers to leave out, and why, in words."""

    questions: list[T]
    left_out: frozenset[str]
    notes: tuple[str, ...]


def unlearnt(
    found: Sequence[T], known_by: Callable[[T], str], group: Callable[[T], str], readers: Path, serving: str
) -> Unlearnt[T]:
    """Questions are dropped for the reader that is `serving`, and for others that leave enough of them; else those go.

    `known_by` is what tells whether a question was learnt: its words, or the passage that it comes with. `group` is
    its document; `readers` the folder of all readers, of which those that cannot be opened are not looked at. Raises
    `SupervisionError` where the one that serves knows too many.
    """
    prints = {known_by(one): hash_of(known_by(one)) for one in found}
    kept, left_out, notes = list(found), set[str](), list[str]()
    names = sorted(path.parent.name for path in readers.glob(f"[!.]*/{MANIFEST_FILE}") if _opens(path.parent))
    lessons = {name: read_lessons(readers / name) for name in sorted(names, key=lambda name: name != serving)}
    served = lessons.get(serving)
    new = sum(served is None or prints[known_by(one)] not in served.learnt for one in found)
    least = max(MIN_QUESTIONS, min(ENOUGH, MIN_KEPT * new))
    for name, known in lessons.items():
        if known is None:
            notes.append(
                f"what reader {name} learnt from is not known (it was made elsewhere, or by an older release): were "
                "these questions among it, it looks better than it is"
            )
            continue
        rest = [one for one in kept if prints[known_by(one)] not in known.learnt]
        lost = f"{len(kept) - len(rest)} of {len(kept)} questions"
        if len(rest) == len(kept):
            continue
        if len(rest) >= (MIN_QUESTIONS if name == serving else least) and len({group(one) for one in rest}) > 1:
            notes.append(f"reader {name} learnt from {lost}, which are not asked")
            kept = rest
        elif name != serving:
            notes.append(f"reader {name} learnt from {lost}, too many to do without: it is left out")
            left_out.add(name)
        else:
            raise SupervisionError(
                f"reader {name}, which serves, learnt from {lost}; name {MIN_QUESTIONS} or more that are new to it"
            )
    for name, known in lessons.items():
        used = 0 if known is None else sum(prints[known_by(one)] in known.calibrated for one in kept)
        if used and name not in left_out:
            notes.append(f"reader {name} has its confidence, though no answers, from {used} of {len(kept)} questions")
    return Unlearnt(kept, frozenset(left_out), tuple(notes))


def _opens(folder: Path) -> bool:
    try:
        read_folder(folder)
    except ReaderError:
        return False
    return True
