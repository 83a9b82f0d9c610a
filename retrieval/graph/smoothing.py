"""Scores flow between candidates that belong together: by near vectors, shared rare words, or one document.

Only candidates take part, so nothing that the caller may not see passes on a score, and no list of neighbours has to
be kept while the corpus changes: the graph over a few hundred candidates is made when it is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.graph.layer import gathered
from retrieval.graph.nearest import rare_limit
from retrieval.graph.nodes import changes
from retrieval.graph.state import SKETCH, GraphState
from retrieval.types import Labels, Vectors

Scores = NDArray[np.float64]
Affinity = NDArray[np.float32]  # (n, n), 0 on the diagonal and where two candidates have nothing to do with each other

WORDS_KEPT = 32  # of a candidate, the rarest: what is common says little, and costs most
ONE_THREAD = 2**19  # multiplications in one product, half of OpenBLAS's limit
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
    affinity: Affinity = np.maximum(_inner(vectors), 0)
    np.fill_diagonal(affinity, 0)
    return affinity


def by_words(graph: GraphState, labels: Labels) -> Affinity:
    """Cosines over the idf of rare words, as `nearest.nearest_words` has them, of the rarest of each candidate."""
    chunks = max(len(graph.live), 1)
    owners, words = graph.words(labels)
    frequency = graph.frequency[words % SKETCH]
    rare = (frequency >= 2) & (frequency <= rare_limit(chunks))
    owners, words, frequency = owners[rare], words[rare], frequency[rare]
    order = np.argsort(owners * (rare_limit(chunks) + 1) + frequency, kind="stable")  # words of a chunk rise already
    owners, words, frequency = owners[order], words[order], frequency[order]
    begins = np.searchsorted(owners, np.arange(len(labels)))
    kept = np.arange(len(owners)) - begins[owners] < WORDS_KEPT
    owners, words = owners[kept], words[kept]
    idf = np.log(1.0 + chunks / frequency[kept]).astype(np.float32)
    norms = np.sqrt(np.bincount(owners, idf**2, minlength=len(labels))).astype(np.float32)
    weights: NDArray[np.float32] = (idf / np.maximum(norms, 1e-9)[owners]).astype(np.float32)
    return _products(owners, words, weights, len(labels))


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
    order = np.argsort(words)
    owners, words, weights = owners[order], words[order], weights[order]
    starts = np.flatnonzero(changes(words))
    ends = np.append(starts[1:], len(words))
    shared = ends - starts > 1
    column, places = gathered(starts[shared], ends[shared])
    matrix = np.zeros((count, int(shared.sum())), np.float32)
    matrix[owners[places], column] = weights[places]
    affinity = _inner(matrix)
    np.fill_diagonal(affinity, 0)
    return affinity


def _inner(rows: Vectors) -> Affinity:
    """(n, n) inner products, a few rows at once: larger products make OpenBLAS wake threads, which takes longer."""
    count, width = rows.shape
    products = np.empty((count, count), np.float32)
    step = max(1, ONE_THREAD // max(count * width, 1))
    for start in range(0, count, step):
        np.dot(rows[start : start + step], rows.T, out=products[start : start + step])
    return products
