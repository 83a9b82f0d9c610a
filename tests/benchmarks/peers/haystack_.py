"""Haystack: its hybrid tutorial's pipeline, BM25 and embeddings joined by reciprocal ranks, in-memory store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common import TOP, Scored, measure
from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore

try:  # moved to a package of its own in later versions
    from haystack.components.embedders import SentenceTransformersDocumentEmbedder, SentenceTransformersTextEmbedder
except ImportError:
    from haystack_integrations.components.embedders.sentence_transformers import (
        SentenceTransformersDocumentEmbedder,
        SentenceTransformersTextEmbedder,
    )


class Haystack:
    """An indexing pipeline and a query pipeline over one store."""

    def __init__(self, folder: Path) -> None:
        store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        self._indexing = Pipeline()
        embedder = SentenceTransformersDocumentEmbedder(model=str(folder), progress_bar=False)
        self._indexing.add_component("embedder", embedder)
        self._indexing.add_component("writer", DocumentWriter(store))
        self._indexing.connect("embedder", "writer")
        self._querying = Pipeline()
        question = SentenceTransformersTextEmbedder(model=str(folder), progress_bar=False)
        self._querying.add_component("embedder", question)
        self._querying.add_component("dense", InMemoryEmbeddingRetriever(store))
        self._querying.add_component("sparse", InMemoryBM25Retriever(store))
        self._querying.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=TOP))
        self._querying.connect("embedder", "dense")
        self._querying.connect("dense", "joiner")
        self._querying.connect("sparse", "joiner")
        embedder.warm_up()
        question.warm_up()
        question.run("a first text")

    def index(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        documents = [Document(content=text, meta={"key": one}) for one, text in zip(ids, texts, strict=True)]
        self._indexing.run({"embedder": {"documents": documents}})

    def search(self, question: str) -> Scored:
        asked = {"embedder": {"text": question}, "sparse": {"query": question}}
        found = self._querying.run(asked)["joiner"]["documents"]
        return [(one.meta["key"], float(one.score or 0)) for one in found]


if __name__ == "__main__":
    measure(Haystack, ["haystack-ai", "torch", "sentence-transformers"])
