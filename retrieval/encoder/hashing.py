"""An encoder without a model: words and character n-grams hashed into signed buckets (Weinberger et al. 2009)."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from retrieval.types import Vector, Vectors

DEFAULT_DIM = 256
NGRAM_LETTERS = 3  # a typo or an inflection changes few of a word's trigrams
WORD_WEIGHT = 1.0
NGRAM_WEIGHT = 0.4  # a word has several n-grams; together they weigh about as much as the word
SCHEME = 1  # part of the fingerprint; raise it when the vectors change


class HashEncoder:
    """Deterministic vectors whose cosine grows with shared words and word parts; the same in every process."""

    def __init__(self, dim: int = DEFAULT_DIM) -> None:
        if dim < 1:
            raise ValueError(f"hash encoder dimension is {dim}, expected at least 1")
        self._dim = dim

    @property
    def fingerprint(self) -> str:
        """Names the scheme and the dimension; nothing else shapes the vectors."""
        return f"hash-{SCHEME}-{self._dim}"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dim), rows L2-normalised; queries and passages share one tower."""
        return self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """(n, dim), rows L2-normalised; the whole text counts."""
        if not texts:
            return np.empty((0, self._dim), np.float32)
        return np.stack([self._encode(text) for text in texts])

    def coverage(self, text: str) -> float:
        """Always 1: hashing has no vocabulary to miss."""
        return 1.0

    def _encode(self, text: str) -> Vector:
        vector = np.zeros(self._dim, np.float32)
        for feature, weight in _features(text):
            code = zlib.crc32(feature.encode())  # the same in every process, unlike hash()
            vector[(code >> 1) % self._dim] += weight if code & 1 else -weight
        norm = float(np.linalg.norm(vector))
        if norm == 0.0:  # no feature at all, or all cancelled out
            vector[0] = norm = 1.0
        return vector / np.float32(norm)


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Each distinct word and n-gram once, with 1 + log(count) of its weight."""
    words = Counter("".join(letter if letter.isalnum() else " " for letter in text.casefold()).split())
    for word, count in words.items():
        damped = 1.0 + float(np.log(count))
        yield f"w{word}", WORD_WEIGHT * damped
        for ngram in _ngrams(f"<{word}>"):
            yield f"n{ngram}", NGRAM_WEIGHT * damped


def _ngrams(word: str) -> set[str]:
    return {word[start : start + NGRAM_LETTERS] for start in range(len(word) - NGRAM_LETTERS + 1)}
