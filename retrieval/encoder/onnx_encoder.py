"""The ONNX Runtime encoder: two towers, which may be one, behind the `Encoder` contract."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

from retrieval.encoder.manifest import Manifest, TowerManifest, read_manifest
from retrieval.encoder.tower import Tower
from retrieval.types import Vector, Vectors

QUERY_CACHE = 1_024  # vectors of the latest distinct queries, ~1.5 MB at 384 dimensions


class OnnxEncoder:
    """Serves an exported encoder folder (see export.py). `threads` 0: one a core."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.manifest: Manifest = read_manifest(folder)
        self._passages = _open(folder, self.manifest.passage)
        same = self.manifest.query == self.manifest.passage
        self._queries = self._passages if same else self._query_tower(folder)
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="encoder")
        self._query = lru_cache(QUERY_CACHE)(self._queries.encode_one)

    @property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer, pooling, length, prefixes and precision."""
        return self.manifest.fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.manifest.passage.dim

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dim), rows L2-normalised; a query seen lately costs nothing."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        found: list[Vector] = [self._query(texts[0])] if len(texts) == 1 else list(self._pool.map(self._query, texts))
        for row, vector in enumerate(found):
            vectors[row] = vector
        return vectors

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """(n, dim), rows L2-normalised; long texts are cut at the model's maximum."""
        return self._passages.encode(texts, self._pool)

    def coverage(self, text: str) -> float:
        """Share of the text's letters, 0 to 1, in words the vocabulary knows (1 for empty text)."""
        return self._queries.coverage(text)

    def has_word(self, word: str) -> bool:
        """Whether the vocabulary has the word as a whole, not in pieces."""
        return self._queries.has_word(word)

    def close(self) -> None:
        """End the encoder's threads."""
        self._pool.shutdown()

    def _query_tower(self, folder: Path) -> Tower:
        """Another prefix alone needs no second model in memory."""
        if self.manifest.query.folder == self.manifest.passage.folder:
            return self._passages.with_prefix(self.manifest.query.prefix)
        return _open(folder, self.manifest.query)


def _open(folder: Path, tower: TowerManifest) -> Tower:
    return Tower(folder / tower.folder, dim=tower.dim, max_length=tower.max_length, prefix=tower.prefix)
