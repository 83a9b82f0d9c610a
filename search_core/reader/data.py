"""Questions for a span reader: files in SQuAD's layout, split by article, as encoded windows with their gold spans.

An answer counts wherever it stands in the passage: published offsets are often the first occurrence only, and the
loss sums over all of them (Clark and Gardner 2018), so the model finds out which one the question means.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.answer.reader_input import Layout, Piece, Window, split, windows
from search_core.errors import SupervisionError

MAX_SPANS = 16  # places of an answer in one window
NO_ANSWER = (0, 0)  # the span of [CLS]


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one passage. No `answers`: the passage does not answer it."""

    key: str
    article: str
    text: str
    passage: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A window to learn from: its tokens and their types, (tokens,) each, held in arrays since there are many.

    `golds` are spans of its rows, first and last, `NO_ANSWER` where it has none. `soft` (tokens, 2) is a teacher's
    probability of each row as start and as end.
    """

    ids: NDArray[np.int32]
    types: NDArray[np.uint8]
    golds: tuple[tuple[int, int], ...]
    soft: NDArray[np.float16] | None = None


def read_squad(file: Path, articles: Collection[str] | None = None) -> list[Question]:
    """The questions of a SQuAD file (plain or .gz), of these articles only if given. Raises `SupervisionError`."""
    try:
        with _opened(file) as stream:
            found = list(_questions(json.load(stream)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SupervisionError(f"{file} cannot be read as SQuAD questions: {error!r}; expected its JSON") from error
    kept = [one for one in found if articles is None or one.article in articles]
    if not kept:
        raise SupervisionError(f"{file} has no question of the articles asked for; it has {len(found)} in all")
    return kept


def _questions(whole: dict[str, Any]) -> Iterator[Question]:
    for number, article in enumerate(whole["data"]):
        for paragraph in article["paragraphs"]:
            title = article.get("title") or str(paragraph.get("id", number))
            for one in paragraph["qas"]:
                answers = [] if one.get("is_impossible") else [answer["text"] for answer in one["answers"]]
                texts = tuple(dict.fromkeys(filter(None, answers)))
                yield Question(str(one["id"]), title, one["question"], paragraph["context"], texts)


def read_texts(file: Path) -> list[str]:
    """The `text` of each JSON line, gzip or not. Raises `SupervisionError` naming the line."""
    return [str(body["text"]) for body in _lines(file, ("text",))]


def read_answers(file: Path) -> dict[str, list[str]]:
    """Question id -> its right answers, from JSON lines `{"id", "answers"}`. Raises `SupervisionError`."""
    lines = _lines(file, ("id", "answers"))
    return {str(body["id"]): [str(answer) for answer in list(body["answers"])] for body in lines}


def _opened(file: Path) -> IO[str]:
    """As text, gzip or not, with or without a byte order mark."""
    return gzip.open(file, "rt", encoding="utf-8-sig") if file.suffix == ".gz" else file.open(encoding="utf-8-sig")


def _lines(file: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines that have these fields."""
    place = ""
    try:
        with _opened(file) as stream:
            for number, line in enumerate(stream, start=1):
                place = f":{number}"
                if line.strip():
                    body = json.loads(line)
                    yield {name: body[name] for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        wanted = ", ".join(names)
        raise SupervisionError(f"{file}{place} cannot be read: {error!r}; expected objects with {wanted}") from error


def examples(tokenizer: Any, questions: Iterable[Question], layout: Layout) -> list[Example]:
    """Windows to learn from. Of an answered question only those windows with an answer are kept."""
    pieces: dict[str, Piece] = {}
    found: list[Example] = []
    for question in questions:
        passage = pieces.get(question.passage) or pieces.setdefault(
            question.passage, split(tokenizer, question.passage)
        )
        asked = split(tokenizer, question.text)
        places = spans_of(question.answers, question.passage)
        for window in windows(asked, passage, layout):
            golds = _rows(window, places)
            if golds or not question.answers:
                ids, types = np.array(window.ids, np.int32), np.array(window.types, np.uint8)
                found.append(Example(ids, types, golds or (NO_ANSWER,)))
    return found


def spans_of(answers: Sequence[str], passage: str) -> list[tuple[int, int]]:
    """Where the answers stand in the passage, in characters; empty where none does."""
    found: dict[tuple[int, int], None] = {}
    for answer in answers:
        start = passage.find(answer)
        while start >= 0:
            found[start, start + len(answer)] = None
            start = passage.find(answer, start + 1)
    return list(found)


def _rows(window: Window, places: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Those places that begin and end with a token; where none does, those that lie inside tokens of the window."""
    starts = {start: row for row, (start, _) in reversed(list(enumerate(window.spans, window.first)))}
    stops = {end: row for row, (_, end) in enumerate(window.spans, window.first)}
    exact = [(starts[start], stops[end]) for start, end in places if start in starts and end in stops]
    loose = exact or [row for row in (_covering(window, place) for place in places) if row]
    return tuple(loose[:MAX_SPANS])


def _covering(window: Window, place: tuple[int, int]) -> tuple[int, int] | None:
    start, end = place
    rows = [row for row, (left, right) in enumerate(window.spans, window.first) if left < end and right > start]
    whole = bool(rows) and window.spans[0][0] <= start and window.spans[-1][1] >= end
    return (rows[0], rows[-1]) if whole else None
