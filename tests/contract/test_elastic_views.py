"""The views on Elasticsearch keep the contract of the embedded ones, and give the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elastic import collection_of, elastic_server, elastic_url, stack_of

from retrieval.analyzer import Analyzer
from retrieval.elastic import ElasticDenseView, ElasticServer, ElasticSparseView
from retrieval.elastic.index import drop_indexes
from retrieval.testing.views import DIM, IndexViewContract, topic_text, topic_vector

__all__ = ["elastic_server", "elastic_url", "stack_of"]

pytestmark = [pytest.mark.server, pytest.mark.slow]


class _Elastic(IndexViewContract):
    @pytest.fixture(autouse=True)
    def _server(self, elastic_server: ElasticServer) -> Iterator[None]:
        self.server = elastic_server
        self.collections: set[str] = set()
        yield
        for collection in self.collections:
            drop_indexes(elastic_server, collection)

    def new_collection(self, folder: Path | None) -> str:
        collection = collection_of(folder)
        self.collections.add(collection)
        return collection


class TestElasticSparse(_Elastic):
    def make_view(self, folder: Path | None, *, read_only: bool = False) -> ElasticSparseView:
        view = ElasticSparseView(self.server, self.new_collection(folder), Analyzer())
        view.resume()
        return view

    def query(self, topic: int) -> Any:
        return topic_text(topic)


class TestElasticDense(_Elastic):
    def make_view(self, folder: Path | None, *, read_only: bool = False) -> ElasticDenseView:
        view = ElasticDenseView(self.server, self.new_collection(folder), DIM, "test")
        view.resume()
        return view

    def query(self, topic: int) -> Any:
        return topic_vector(topic)
