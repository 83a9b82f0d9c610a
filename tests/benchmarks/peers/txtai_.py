"""txtai: embeddings with `hybrid=True` and content, as its guide recommends for text search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common import TOP, Scored, measure
from txtai import Embeddings


class Txtai:
    """A hybrid index in memory."""

    def __init__(self, folder: Path) -> None:
        self._embeddings = Embeddings(path=str(folder), method="sentence-transformers", hybrid=True, content=True)
        self._embeddings.transform("a first text")

    def index(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        self._embeddings.index((one, text, None) for one, text in zip(ids, texts, strict=True))

    def search(self, question: str) -> Scored:
        return [(row["id"], float(row["score"])) for row in self._embeddings.search(question, TOP)]


if __name__ == "__main__":
    measure(Txtai, ["txtai", "torch", "sentence-transformers"])
