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

Search = Callable[[int], Sequence[Hit]]  # how many -> the best hits, the best first
Tied = Callable[[float, int], Sequence[Hit]]  # a score, how many -> hits from that score on, the lowest labels first


def restriction(allowed: Allowed, scope: Scope | None) -> list[Query] | None:
    """The queries a hit must match besides; None where nothing can. A scope says it shorter than labels do."""
    if scope is not None:
        within = scope_query(scope.principal, scope.filter)
        return [*within, {"bool": {"must_not": label_queries(list(scope.without))}}] if scope.without else within
    if allowed is None:
        return []
    return [label_queries(list(allowed))] if allowed else None


def best(search: Search, k: int, decimals: int, tied: Tied | None = None) -> Ranking:
    """The first k hits of `search(size)`, ties by rising label; asks for more until all ties with the last one are in.

    Where the server can tell `tied`, one such request is enough, however many passages score the same.
    """
    size = min(k + MARGIN, MAX_WINDOW)
    while True:
        hits = search(size)
        ranking = _ranking(hits, decimals)
        is_exhausted = len(hits) < size or size == MAX_WINDOW
        if is_exhausted or ranking.scores[k - 1] > ranking.scores[-1]:
            return Ranking(ranking.labels[:k], ranking.scores[:k])
        if tied is not None:
            found = _with_ties(ranking, tied, k, decimals)
            if found is not None:
                return found
        size = min(size * ESCALATION, MAX_WINDOW)


def _with_ties(first: Ranking, tied: Tied, k: int, decimals: int) -> Ranking | None:
    """The best k, by the first hits, which end in a tie, and the lowest labels that score at least as much.

    None where those do not tell: what rounds to less stood before them, or what scores so was taken out meanwhile.
    """
    last = first.scores[k - 1]
    above = first.labels[first.scores > last]
    least = float(last) - 0.6 * 10.0**-decimals  # what rounds to it is at most half a unit less
    others = _ranking(tied(least, k + MARGIN), decimals)
    ties = np.sort(others.labels[others.scores == last])[: k - len(above)]
    if len(ties) < k - len(above):
        return None
    scores = np.concatenate((first.scores[: len(above)], np.full(len(ties), last, np.float32)))
    return Ranking(np.concatenate((above, ties)), scores)


def _ranking(hits: Sequence[Hit], decimals: int) -> Ranking:
    labels = np.array([hit[1] for hit in hits], np.int64)
    scores = np.round(np.array([hit[0] for hit in hits], np.float32), decimals).astype(np.float32, copy=False)
    order = np.lexsort((labels, -scores))
    return Ranking(labels[order], scores[order])
