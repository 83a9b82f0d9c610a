"""The dense view: an hnswlib graph over an append-only vector file, exact where that is fast."""

from __future__ import annotations

from retrieval.dense.state import ranked
from retrieval.dense.view import FLAT_LIMIT, DenseView

__all__ = ["FLAT_LIMIT", "DenseView", "ranked"]
