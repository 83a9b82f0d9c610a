"""Rows of a corpus are parts of documents, which are judged and searched as wholes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from retrieval.evaluation.metrics import ndcg
from retrieval.types import Vector
from search_core.errors import CorpusError

DEPTH = 10  # documents of a ranking that count


def rows_alike(keys: Sequence[Hashable]) -> list[frozenset[int]]:
    """For each row the rows of the same key, itself among them."""
    rows: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    found = {key: frozenset(mine) for key, mine in rows.items()}
    return [found[key] for key in keys]


def check_documents(documents: Sequence[str], rows: int) -> None:
    """Raises `CorpusError` unless there is one for each row, or none at all."""
    if documents and len(documents) != rows:
        raise CorpusError(f"{len(documents)} documents are named for {rows} texts; expected one for each text")


def document_ndcg(
    scores: Vector, rows: Sequence[int], judgements: Mapping[int, int], documents: Sequence[Hashable]
) -> float:
    """nDCG@10 of documents, each at the place of its best row. `scores` (n,) are of the n `rows`, `documents` of all.

    By rows a question would ask for all of its document, though one of them answers it.
    """
    ranked: dict[str, None] = {}
    for at in np.argsort(-scores, kind="stable"):
        ranked.setdefault(str(documents[rows[at]]))
        if len(ranked) == DEPTH:
            break
    judged: dict[str, int] = {}
    for row, grade in judgements.items():
        key = str(documents[row])
        judged[key] = max(grade, judged.get(key, 0))
    return ndcg(list(ranked), judged, DEPTH)
