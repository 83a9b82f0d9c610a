"""The indexes on Elasticsearch tell of each chunk whether they hold it otherwise, with what they filter by."""

from __future__ import annotations

from dataclasses import replace

import pytest
from elastic import collection_of, elastic_server, elastic_url, stack_of

from retrieval.analysis.analyzer import Analyzer
from retrieval.elastic import ElasticDenseView, ElasticServer, ElasticSparseView
from retrieval.elastic.index import drop_indexes
from retrieval.testing.views import DIM, make_chunk
from retrieval.types import ViewBatch

__all__ = ["elastic_server", "elastic_url", "stack_of"]

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.mark.parametrize("leg", ["sparse", "dense"])
def test_what_is_filtered_by_differs_too(elastic_server: ElasticServer, leg: str) -> None:
    view: ElasticSparseView | ElasticDenseView = (
        ElasticSparseView(elastic_server, collection_of(None), Analyzer())
        if leg == "sparse"
        else ElasticDenseView(elastic_server, collection_of(None), DIM, "test")
    )
    view.resume()
    rows = [make_chunk(label, 0) for label in range(6)]
    view.apply(ViewBatch(1, [], rows))
    assert not view.differing([*rows, make_chunk(9, 0)])
    other = [replace(rows[1], groups=("staff",)), replace(rows[2], metadata={"topic": "0"})]
    assert sorted(view.differing([rows[0], *other])) == [1, 2]
    view.apply(ViewBatch(2, [], [replace(row, vector=None) for row in other]))  # the vectors stay as they are
    assert sorted(view.differing(rows)) == [1, 2]
    assert not view.differing(other)
    with elastic_server.writing() as client:  # as whoever moves an index by `_reindex`: what it filters by is lost
        client.update_by_query(index=view.shared_name, query={"ids": {"values": ["4"]}}, refresh=True)
    assert sorted(view.differing([rows[0], *other, *rows[3:]])) == [4]
    drop_indexes(elastic_server, view.index.name.collection)
