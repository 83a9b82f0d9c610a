"""LlamaIndex: its fusion guide's set-up, a vector index and BM25 joined by reciprocal ranks, no rewritten queries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common import TOP, Scored, measure
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.retrievers.bm25 import BM25Retriever


class LlamaIndex:
    """Both retrievers over the same nodes."""

    def __init__(self, folder: Path) -> None:
        self._embed = HuggingFaceEmbedding(model_name=str(folder))
        self._embed.get_text_embedding("a first text")
        self._retriever: QueryFusionRetriever | None = None

    def index(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        documents = [Document(text=text, doc_id=one) for one, text in zip(ids, texts, strict=True)]
        index = VectorStoreIndex.from_documents(documents, embed_model=self._embed)
        sparse = BM25Retriever.from_defaults(docstore=index.docstore, similarity_top_k=TOP)
        dense = index.as_retriever(similarity_top_k=TOP)
        self._retriever = QueryFusionRetriever(
            [dense, sparse],
            llm=MockLLM(),  # never asked: one query means no rewriting
            num_queries=1,
            mode="reciprocal_rerank",
            similarity_top_k=TOP,
            use_async=False,
        )

    def search(self, question: str) -> Scored:
        assert self._retriever is not None
        best: dict[str, float] = {}
        for found in self._retriever.retrieve(question):
            best.setdefault(found.node.ref_doc_id or found.node.node_id, float(found.score or 0))
        return list(best.items())


if __name__ == "__main__":
    measure(LlamaIndex, ["llama-index-core", "llama-index-retrievers-bm25", "torch", "sentence-transformers"])
