"""Judged questions as models learn from them: rows of the snapshot instead of document keys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search_core.corpus.legs import CachedLegs
from search_core.corpus.snapshot import CorpusSnapshot, key_of

Judged = list[dict[int, int]]  # for each question: row of a chunk -> grade


def rows_by_key(snapshot: CorpusSnapshot) -> dict[str, list[int]]:
    """Where each document's chunks stand."""
    found: dict[str, list[int]] = {}
    for row, chunk in enumerate(snapshot.chunks):
        found.setdefault(key_of(chunk), []).append(row)
    return found


def judged_rows(legs: CachedLegs, places: Sequence[int]) -> Judged:
    """Judgements of these questions by chunk. A document stands for its chunk that is nearest to the question.

    Who judged a document did not say which part of it answers; to pull at all of its parts would teach nonsense.
    """
    rows, vectors = rows_by_key(legs.snapshot), legs.snapshot.vectors
    judged: Judged = []
    for place in places:
        found: dict[int, int] = {}
        for key, grade in legs.questions[place].judgements.items():
            if mine := rows.get(key, []):
                nearest = mine[int(np.argmax(vectors[mine] @ legs.query_vectors[place]))]
                found[nearest] = max(grade, found.get(nearest, 0))
        judged.append(found)
    return judged
