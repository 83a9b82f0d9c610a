"""The sparse view: BM25 by tantivy, with what is newest in a small overlay that scores alike."""

from __future__ import annotations

from retrieval.sparse.view import SparseView

__all__ = ["SparseView"]
