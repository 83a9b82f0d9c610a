"""The views on Elasticsearch: the answers of the embedded ones, from one index that all processes share."""

from __future__ import annotations

from retrieval.elastic.client import ElasticServer, ServerOptions
from retrieval.elastic.dense import ElasticDenseView
from retrieval.elastic.fresh import FreshSparseView
from retrieval.elastic.sparse import ElasticSparseView

__all__ = ["ElasticDenseView", "ElasticServer", "ElasticSparseView", "FreshSparseView", "ServerOptions"]
