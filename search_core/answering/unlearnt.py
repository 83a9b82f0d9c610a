"""Leaves out the questions that a reader learnt from, or the reader: what it was taught proves nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from retrieval.answer.reader_folder import MANIFEST_FILE
from search_core.answering.questions import LEAST_QUESTIONS
from search_core.errors import SupervisionError
from search_core.reader.lessons import fingerprint, read_lessons

T = TypeVar("T")


class Unlearnt(NamedTuple, Generic[T]):
    """The questions to ask, the names of readers to leave out, and why, in words."""

    questions: list[T]
    left_out: frozenset[str]
    notes: tuple[str, ...]


def unlearnt(
    found: Sequence[T], known_by: Callable[[T], str], group: Callable[[T], str], readers: Path, serving: str
) -> Unlearnt[T]:
    """Questions are dropped where enough others remain, else the reader is, unless it is `serving`.

    `known_by` is what tells whether a question was learnt: its words, or the passage that it comes with. `group` is
    its document; `readers` the folder of all readers. Raises `SupervisionError` where the one that serves knows too
    many.
    """
    prints = {known_by(one): fingerprint(known_by(one)) for one in found}
    kept, left_out, notes = list(found), set[str](), list[str]()
    names = sorted(path.parent.name for path in readers.glob(f"[!.]*/{MANIFEST_FILE}"))
    lessons = {name: read_lessons(readers / name) for name in sorted(names, key=lambda name: name != serving)}
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
        if len(rest) >= LEAST_QUESTIONS and len({group(one) for one in rest}) > 1:
            notes.append(f"reader {name} learnt from {lost}, which are not asked")
            kept = rest
        elif name != serving:
            notes.append(f"reader {name} learnt from {lost}, too many to do without: it is left out")
            left_out.add(name)
        else:
            raise SupervisionError(
                f"reader {name}, which serves, learnt from {lost}; name {LEAST_QUESTIONS} or more that are new to it"
            )
    for name, known in lessons.items():
        used = 0 if known is None else sum(prints[known_by(one)] in known.calibrated for one in kept)
        if used and name not in left_out:
            notes.append(f"reader {name} has its confidence, though no answers, from {used} of {len(kept)} questions")
    return Unlearnt(kept, frozenset(left_out), tuple(notes))
