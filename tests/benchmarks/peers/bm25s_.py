"""bm25s as its guide has it: stop words, PyStemmer, Lucene's BM25. No encoder: a lower bound for words alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bm25s
import Stemmer
from common import TOP, Scored, measure


class Bm25s:
    """An in-memory index."""

    def __init__(self, _model: Path) -> None:
        self._stemmer = Stemmer.Stemmer("english")
        self._retriever = bm25s.BM25()
        self._ids: Sequence[str] = ()

    def index(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        self._ids = ids
        self._retriever.index(self._tokens(list(texts)), show_progress=False)

    def search(self, question: str) -> Scored:
        found, scores = self._retriever.retrieve(self._tokens([question]), k=TOP, show_progress=False)
        return [(self._ids[row], float(score)) for row, score in zip(found[0], scores[0], strict=True)]

    def _tokens(self, texts: list[str]) -> object:
        return bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)


if __name__ == "__main__":
    measure(Bm25s, ["bm25s"])
