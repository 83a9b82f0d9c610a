"""Three parts of the questions: to fit weights on, to choose by, and sealed until the one test at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.catalog.eval_sets import EvalQuery
from search_core.errors import SupervisionError

SHARES = (
    0.35,
    0.25,
    0.40,
)  # fit, choose, sealed: a gate without power promotes nothing, so the sealed part is the largest
LEAST_QUESTIONS = 20  # below that no paired test of a third of them can reach p < 0.05 but by luck
LEAST_PART = 4  # questions; of fewer not even a standard error is known
LARGEST_GROUP = 0.2  # of the questions; larger groups of linked questions cannot be kept on one side


@dataclass(frozen=True, slots=True)
class Split:
    """Places of questions. `by_document` says whether no relevant document stands on two sides."""

    fit: tuple[int, ...]
    choose: tuple[int, ...]
    sealed: tuple[int, ...]
    by_document: bool


def split_questions(questions: Sequence[EvalQuery], seed: int) -> Split:
    """Questions that share a relevant document, or their words, stay on one side as far as that is possible.

    Where nearly all questions are linked with each other, only equal questions are kept together and `by_document` is
    False. Raises `SupervisionError` for fewer than `LEAST_QUESTIONS`, or where all are the same.
    """
    if len(questions) < LEAST_QUESTIONS:
        raise SupervisionError(
            f"there are {len(questions)} judged questions; expected at least {LEAST_QUESTIONS}, better 200: "
            "add questions to the evaluation set, or leave it out to use questions made from the corpus"
        )
    groups = _groups(questions, by_document=True)
    by_document = max(map(len, groups)) <= LARGEST_GROUP * len(questions)
    if not by_document:
        groups = _groups(questions, by_document=False)
    parts = _deal(groups, len(questions), seed)
    fit, choose, sealed = (tuple(sorted(part)) for part in parts)
    if min(len(fit), len(choose), len(sealed)) < LEAST_PART:
        raise SupervisionError(
            f"{len(questions)} judged questions are only {len(groups)} different ones, which cannot be split in three; "
            "add questions in other words to the evaluation set"
        )
    return Split(fit, choose, sealed, by_document)


def _deal(groups: list[list[int]], count: int, seed: int) -> list[list[int]]:
    """Each group goes, in random order, where most is lacking."""
    generator = np.random.default_rng(seed)
    parts: list[list[int]] = [[], [], []]
    for index in generator.permutation(len(groups)):
        lacking = [share * count - len(part) for share, part in zip(SHARES, parts, strict=True)]
        parts[int(np.argmax(lacking))].extend(groups[index])
    return parts


def _groups(questions: Sequence[EvalQuery], *, by_document: bool) -> list[list[int]]:
    """Connected questions (union-find)."""
    parent = list(range(len(questions)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[str, int] = {}
    for place, question in enumerate(questions):
        links = ["text:" + " ".join(question.text.casefold().split())]
        if by_document:
            links += [f"document:{key}" for key, grade in question.judgements.items() if grade > 0]
        for link in links:
            parent[root(place)] = root(first.setdefault(link, place))
    found: dict[int, list[int]] = {}
    for place in range(len(questions)):
        found.setdefault(root(place), []).append(place)
    return list(found.values())
