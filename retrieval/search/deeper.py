"""More documents for a search whose legs were cut at their depth while they ranked the chunks of a few long ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from pyroaring import BitMap64

from retrieval.ranking.fusion import FusionSignals, LegCut
from retrieval.types import Ranking

Ask = Callable[[str, int, BitMap64], Ranking]  # leg, how many chunks, which are left out -> its best of the others


def deepened(
    rankings: Mapping[str, Ranking],
    depths: Mapping[str, int],
    wanted: int,
    document_of: Callable[[int], int | None],
    labels_of: Callable[[int], Iterable[int]],
    ask: Ask,
) -> Mapping[str, Ranking]:
    """The legs' rankings with chunks of further documents, until they are of `wanted` documents or there are no more.

    `depths` says how many chunks each leg was asked for: one that gave fewer has no more. What is added is never of a
    document that is there already, so a document's later chunks may be missing. Where nothing was asked it is the same
    object.
    """
    cut = [leg for leg, ranking in rankings.items() if len(ranking) >= depths[leg]]
    if not cut or len(found := _documents(rankings.values(), document_of, wanted)) >= wanted:
        return rankings
    told, more, sizes, without = dict(rankings), rankings, dict(depths), BitMap64()
    while cut and len(found) < wanted:
        without |= BitMap64([label for ranking in more.values() for label in ranking.labels.tolist()])
        without |= BitMap64([label for document in found for label in labels_of(document)])
        sizes = {leg: 2 * sizes[leg] for leg in cut}  # so that many long documents take few rounds
        more = {leg: ask(leg, sizes[leg], without) for leg in cut}
        told |= {leg: _joined(told[leg], more[leg]) for leg in cut}
        cut = [leg for leg in cut if len(more[leg]) >= sizes[leg]]
        found |= _documents(more.values(), document_of, wanted)
    return told


def with_cuts(signals: FusionSignals, first: Mapping[str, Ranking], told: Mapping[str, Ranking]) -> FusionSignals:
    """The signals with where each leg ended at first, if it was asked for further documents."""

    def cut(leg: str, other: str) -> LegCut | None:
        if leg not in first or other not in first or len(told[leg]) == len(first[leg]):
            return None
        return LegCut(first[other].labels, len(first[leg]))

    return replace(signals, sparse_cut=cut("sparse", "dense"), dense_cut=cut("dense", "sparse"))


def _documents(rankings: Iterable[Ranking], document_of: Callable[[int], int | None], enough: int) -> set[int]:
    """The documents of the rankings' chunks, read until there are enough."""
    found: set[int] = set()
    for ranking in rankings:
        for label in ranking.labels.tolist():
            document = document_of(label)
            if document is not None:
                found.add(document)
                if len(found) >= enough:
                    return found
    return found


def _joined(first: Ranking, more: Ranking) -> Ranking:
    """Both by falling score: a graph of vectors may find late what belongs before."""
    labels, scores = np.concatenate((first.labels, more.labels)), np.concatenate((first.scores, more.scores))
    order = np.lexsort((labels, -scores))
    return Ranking(labels[order], scores[order])
