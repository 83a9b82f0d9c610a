"""Scores flow between candidates that belong together: by near vectors, shared rare words, or one document.

Only candidates take part, so nothing that the caller may not see passes on a score, and no list of neighbours has to
be kept while the corpus changes: the graph over a few hundred candidates is made when it is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.graph.layer import gathered
from retrieval.graph.nearest import rare_limit
from retrieval.graph.state import SKETCH, GraphState
from retrieval.types import Labels, Vectors

Scores = NDArray[np.float64]
Affinity = NDArray[np.float32]  # (n, n), 0 on the diagonal and where two candidates have nothing to do with each other

WORDS_KEPT = 32  # of a candidate, the rarest: what is common says little, and costs most
PARENT_WEIGHT = 0.5  # of the edge to the first chunk of the document, beside 1 to the chunk before and after


def smoothed(affinity: Affinity, scores: Scores, neighbours: int, strength: float, steps: int) -> Scores:
    """(n,) scores of which `strength` is the mean of the `neighbours` nearest, weighted by affinity, `steps` times.

    A candidate without neighbours keeps its score. s' = (1 - strength) s + strength P s', the first steps of a
    personalised PageRank with s as its teleport.
    """
    count = len(scores)
    if count < 2:
        return scores
    if neighbours < count - 1:
        edge = np.partition(affinity, count - neighbours, axis=1)[:, count - neighbours, None]
        affinity = np.where(affinity >= edge, affinity, 0)
    total = affinity.sum(axis=1)
    passing = affinity / np.where(total > 0, total, 1.0)[:, None]
    flowing = scores
    for _ in range(steps):
        flowing = np.where(total > 0, (1 - strength) * scores + strength * (passing @ flowing), scores)
    return flowing


def by_vectors(vectors: Vectors) -> Affinity:
    """Cosines above 0."""
    affinity: Affinity = np.maximum(vectors @ vectors.T, 0)
    np.fill_diagonal(affinity, 0)
    return affinity


def by_words(graph: GraphState, labels: Labels) -> Affinity:
    """Cosines over the idf of rare words, as `nearest.nearest_words` has them."""
    chunks, count = max(len(graph.live), 1), len(labels)
    owners, words, weights = [], [], []
    for place, label in enumerate(labels.tolist()):
        mine = graph.words(label)
        frequency = graph.frequency[mine % SKETCH]
        rare = (frequency >= 2) & (frequency <= rare_limit(chunks))
        mine, frequency = mine[rare], frequency[rare]
        if len(mine) > WORDS_KEPT:
            rarest = np.argsort(frequency, kind="stable")[:WORDS_KEPT]
            mine, frequency = mine[rarest], frequency[rarest]
        idf = np.log(1.0 + chunks / frequency).astype(np.float32)
        owners.append(np.full(len(mine), place))
        words.append(mine)
        weights.append(idf / max(float(np.sqrt((idf**2).sum())), 1e-9))
    return _products(np.concatenate(owners), np.concatenate(words), np.concatenate(weights), count)


def by_structure(graph: GraphState, labels: Labels) -> Affinity:
    """1 between chunks that follow each other in a document, `PARENT_WEIGHT` to its first one."""
    affinity = np.zeros((len(labels), len(labels)), np.float32)
    places = {label: place for place, label in enumerate(labels.tolist())}
    documents, counts = np.unique(graph.documents(labels), return_counts=True)
    for document in documents[(counts > 1) & (documents >= 0)].tolist():
        chunks = graph.of_document(document).tolist()
        for at, label in enumerate(chunks):
            for other, weight in ((chunks[0], PARENT_WEIGHT), (chunks[at - 1], 1.0)):
                if at and label in places and other in places:
                    one, two = places[label], places[other]
                    affinity[one, two] = affinity[two, one] = max(affinity[one, two], weight)
    return affinity


def _products(owners: NDArray[np.int64], words: NDArray[np.uint32], weights: Affinity, count: int) -> Affinity:
    """Inner products of the rows of a sparse matrix, over the columns that two rows share."""
    order = np.argsort(words, kind="stable")
    owners, words, weights = owners[order], words[order], weights[order]
    starts = np.flatnonzero(np.r_[True, np.diff(words.astype(np.int64)) != 0]) if len(words) else np.empty(0, np.int64)
    ends = np.r_[starts[1:], len(words)]
    shared = ends - starts > 1
    column, places = gathered(starts[shared], ends[shared])
    matrix = np.zeros((count, int(shared.sum())), np.float32)
    matrix[owners[places], column] = weights[places]
    affinity: Affinity = matrix @ matrix.T
    np.fill_diagonal(affinity, 0)
    return affinity
