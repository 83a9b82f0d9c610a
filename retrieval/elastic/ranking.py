"""What both views on Elasticsearch share: the restriction of a search, and the best k hits with all their ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from retrieval.contracts import Allowed, Scope
from retrieval.elastic.index import Hit
from retrieval.elastic.layout import MAX_WINDOW
from retrieval.elastic.terms import Query, label_queries, scope_query
from retrieval.types import Ranking

MARGIN = 8  # hits asked for beyond those wanted, so that ties with the last are mostly in
ESCALATION = 4  # each further attempt asks for this many times more


def restriction(allowed: Allowed, scope: Scope | None) -> list[Query] | None:
    """The queries a hit must match besides; None where nothing can. A scope says it shorter than labels do."""
    if scope is not None:
        return scope_query(scope.principal, scope.filter)
    if allowed is None:
        return []
    return [label_queries(list(allowed))] if allowed else None


def best(search: Callable[[int], Sequence[Hit]], k: int, decimals: int) -> Ranking:
    """The first k hits; asks for more until all ties with the last one are in."""
    size = min(k + MARGIN, MAX_WINDOW)
    while True:
        hits = search(size)
        ranking = _ranking(hits, decimals)
        is_exhausted = len(hits) < size or size == MAX_WINDOW
        if is_exhausted or ranking.scores[k - 1] > ranking.scores[-1]:
            return Ranking(ranking.labels[:k], ranking.scores[:k])
        size = min(size * ESCALATION, MAX_WINDOW)


def _ranking(hits: Sequence[Hit], decimals: int) -> Ranking:
    labels = np.array([hit[1] for hit in hits], np.int64)
    scores = np.round(np.array([hit[0] for hit in hits], np.float32), decimals).astype(np.float32, copy=False)
    order = np.lexsort((labels, -scores))
    return Ranking(labels[order], scores[order])
