"""Chunks that the index on disk does not have yet: postings in memory, scored by the same BM25.

A commit on disk waits for several fsyncs (7 ms on an idle disk, 100 ms on a busy one); an entry here takes
microseconds, and the operation log already keeps it safe.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap64

from retrieval.types import Ranking

K1 = 1.2  # Robertson et al. 1994, as tantivy and Lucene set it
B = 0.75
EXACT_LENGTH = 40  # tokens; tantivy stores longer lengths in one byte, rounded down to four leading bits above 24


@dataclass(frozen=True, slots=True)
class Statistics:
    """What BM25 asks of an index: chunks, their mean length in tokens, and how many contain each term."""

    documents: int
    average_length: float
    frequencies: Mapping[str, int]


class Overlay:
    """A few hundred chunks. Not safe for threads by itself: the view guards it."""

    def __init__(self) -> None:
        self._tokens: dict[int, Counter[str]] = {}
        self._postings: dict[str, dict[int, int]] = {}
        self._stored_lengths: dict[int, int] = {}
        self._length = 0

    def __len__(self) -> int:
        return len(self._tokens)

    def documents(self) -> dict[int, list[str]]:
        """Label -> tokens, in any order."""
        return {label: list(tokens.elements()) for label, tokens in self._tokens.items()}

    def labels(self) -> BitMap64:
        """The chunks' labels."""
        return BitMap64(list(self._tokens))

    def add(self, label: int, tokens: Sequence[str]) -> None:
        """Put a chunk in."""
        self._tokens[label] = counted = Counter(tokens)
        self._stored_lengths[label] = stored_length(len(tokens))
        self._length += len(tokens)
        for token, count in counted.items():
            self._postings.setdefault(token, {})[label] = count

    def discard(self, label: int) -> None:
        """Take a chunk out, if it is in."""
        counted = self._tokens.pop(label, None)
        if counted is None:
            return
        self._length -= counted.total()
        del self._stored_lengths[label]
        for token in counted:
            posting = self._postings[token]
            del posting[label]
            if not posting:
                del self._postings[token]

    def frequency(self, token: str) -> int:
        """How many of the chunks contain the token."""
        return len(self._postings.get(token, ()))

    def score(self, terms: Mapping[str, int], index: Statistics) -> tuple[dict[str, float], dict[int, float]]:
        """What the index must weigh each term by, and label -> BM25 of the chunks: both with the statistics of both.

        `terms` are the query's, with how often each occurs there.
        """
        documents = index.documents + len(self)
        average = (index.documents * index.average_length + self._length) / documents if documents else 0.0
        weights, boosts = {}, {}
        for term, count in terms.items():
            frequency = index.frequencies[term]
            weights[term] = count * idf(documents, frequency + self.frequency(term))
            boosts[term] = weights[term] / idf(index.documents, frequency)
        return boosts, self._scores(weights, max(average, 1.0))

    def _scores(self, weights: Mapping[str, float], average_length: float) -> dict[int, float]:
        scores: dict[int, float] = {}
        lengths, slope = self._stored_lengths, K1 * B / average_length
        for token, weight in weights.items():
            share = weight * (K1 + 1)
            for label, count in self._postings.get(token, {}).items():
                norm = K1 * (1 - B) + slope * lengths[label]
                scores[label] = scores.get(label, 0.0) + share * count / (count + norm)
        return {label: score for label, score in scores.items() if score > 0.0}


def merged(older: Ranking, newer: Mapping[int, float], k: int, decimals: int) -> Ranking:
    """The best k of an index and of what is newer, as label -> score."""
    if not newer:
        return older
    labels = np.concatenate((older.labels, np.fromiter(newer, np.int64, len(newer))))
    fresh = np.round(np.fromiter(newer.values(), np.float32, len(newer)), decimals)
    scores = np.concatenate((older.scores, fresh)).astype(np.float32)
    order = np.lexsort((labels, -scores))[:k]
    return Ranking(labels[order], scores[order])


def idf(documents: int, frequency: int) -> float:
    """Inverse document frequency: ln(1 + (N - n + 0.5) / (n + 0.5)), never negative (as Lucene)."""
    return math.log(1 + (max(documents, frequency) - frequency + 0.5) / (frequency + 0.5))


def stored_length(length: int) -> int:
    """The length that tantivy and Lucene remember of a text with that many tokens."""
    if length <= EXACT_LENGTH:
        return length
    shift = max(0, (length - 24).bit_length() - 4)
    return 24 + ((length - 24) >> shift << shift)
