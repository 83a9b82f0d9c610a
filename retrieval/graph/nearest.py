"""Nearest neighbours of every chunk of a corpus, by vectors and by rare words they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Vectors

BLOCK = 1024  # rows compared with all others at once: 40 MB for 10,000 chunks
EXACT_LIMIT = 20_000  # vectors up to which all are compared with all, 4 s on one core; beyond, through an HNSW graph
MIN_DOCUMENTS = 2  # chunks that must hold a word before it connects any
RARE_SHARE = 0.02  # of the chunks, at most, may hold a word that connects, but never fewer than `MIN_RARE`
MIN_RARE = 20

Places = NDArray[np.int64]
Neighbours = tuple[NDArray[np.int64], NDArray[np.float32]]  # (m, 2) places, rising; (m,) weights


def nearest_vectors(vectors: Vectors, count: int) -> Neighbours:
    """Each chunk with its `count` nearest by cosine, as undirected pairs; what has no likeness above 0 has no edge."""
    if len(vectors) < 2:
        return no_neighbours()
    if len(vectors) > EXACT_LIMIT:
        return _nearest_by_graph(vectors, count)
    found = []
    for start in range(0, len(vectors), BLOCK):
        likeness = vectors[start : start + BLOCK] @ vectors.T
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -np.inf
        found.append(_best(likeness, start, count))
    return undirected(np.vstack([pairs for pairs, _ in found]), np.concatenate([weights for _, weights in found]))


def nearest_words(tokens: Sequence[NDArray[np.int64]], count: int) -> Neighbours:
    """Each chunk with the `count` that share most of its rare words with it: cosine over idf of words of some chunks.

    `tokens`: the distinct words of each chunk, as numbers.
    """
    if len(tokens) < 2:
        return no_neighbours()
    chunks = len(tokens)
    owners = np.repeat(np.arange(chunks), [len(one) for one in tokens])
    words, places, frequency = np.unique(np.concatenate(tokens), return_inverse=True, return_counts=True)
    rare = (frequency >= MIN_DOCUMENTS) & (frequency <= rare_limit(chunks))
    idf = np.where(rare, np.log(1.0 + chunks / np.maximum(frequency, 1)), 0.0)
    weights = idf[places]
    norms = np.sqrt(np.bincount(owners, weights**2, minlength=chunks))
    weights = weights / np.maximum(norms, 1e-12)[owners]
    kept = rare[places]
    owners, places, weights = owners[kept], places[kept], weights[kept]
    order = np.argsort(places, kind="stable")
    by_word, word_owners, word_weights = places[order], owners[order], weights[order]
    starts = np.searchsorted(by_word, np.arange(len(words) + 1))
    chunk_starts = np.searchsorted(owners, np.arange(chunks + 1))
    pairs, likeness = [], []
    for chunk in range(chunks):
        mine = slice(chunk_starts[chunk], chunk_starts[chunk + 1])
        if mine.start == mine.stop:
            continue
        spans = np.concatenate([np.arange(starts[word], starts[word + 1]) for word in places[mine]])
        repeats = [starts[word + 1] - starts[word] for word in places[mine]]
        scores = np.bincount(word_owners[spans], word_weights[spans] * np.repeat(weights[mine], repeats), chunks)
        scores[chunk] = 0.0
        best = np.argpartition(-scores, min(count, chunks - 1))[:count]
        best = best[scores[best] > 0]
        pairs.append(np.stack([np.full(len(best), chunk), best], axis=1))
        likeness.append(scores[best])
    if not pairs:
        return no_neighbours()
    return undirected(np.vstack(pairs), np.concatenate(likeness).astype(np.float32))


def rare_limit(chunks: int) -> int:
    """How many of so many chunks may hold a word, or mention a name, that connects them."""
    return max(MIN_RARE, int(RARE_SHARE * chunks))


def undirected(pairs: Places, weights: NDArray[np.float32]) -> Neighbours:
    """Each pair once, the lower place first, sorted, with the largest of its weights."""
    if not len(pairs):
        return no_neighbours()
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    order = np.lexsort((-weights, high, low))
    low, high, weights = low[order], high[order], weights[order]
    first = np.ones(len(low), bool)
    first[1:] = (np.diff(low) != 0) | (np.diff(high) != 0)
    first &= low != high
    return np.stack([low[first], high[first]], axis=1), weights[first].astype(np.float32)


def no_neighbours() -> Neighbours:
    """No pair."""
    return np.empty((0, 2), np.int64), np.empty(0, np.float32)


def _best(likeness: NDArray[np.float32], start: int, count: int) -> Neighbours:
    count = min(count, likeness.shape[1] - 1)
    nearest = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
    weights = np.take_along_axis(likeness, nearest, axis=1).ravel()
    pairs = np.stack([np.repeat(start + np.arange(len(likeness)), count), nearest.ravel()], axis=1)
    return pairs[weights > 0], weights[weights > 0]


def _nearest_by_graph(vectors: Vectors, count: int) -> Neighbours:
    from retrieval.dense.vector_graph import VectorGraph

    graph = VectorGraph(vectors.shape[1], capacity=len(vectors))
    graph.add(np.arange(len(vectors)), vectors)
    pairs, weights = [], []
    for place, vector in enumerate(vectors):
        slots, scores = graph.nearest(vector, count + 1)
        kept = (slots != place) & (scores > 0)
        slots, scores = slots[kept][:count], scores[kept][:count]
        pairs.append(np.stack([np.full(len(slots), place), slots], axis=1))
        weights.append(scores)
    return undirected(np.vstack(pairs), np.concatenate(weights))
