"""What one process writes to an index on Elasticsearch while others do, or after somebody changed it by hand."""

from __future__ import annotations

import pytest
from elastic import collection_of, elastic_server, elastic_url, stack_of
from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.elastic import ElasticServer, ElasticSparseView
from retrieval.elastic.index import drop_indexes
from retrieval.errors import ViewLostError
from retrieval.testing.views import make_batch, make_chunk
from retrieval.types import ViewBatch

__all__ = ["elastic_server", "elastic_url", "stack_of"]

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_an_index_that_lost_its_alias_gets_it_again(elastic_server: ElasticServer) -> None:
    view = ElasticSparseView(elastic_server, collection_of(None), Analyzer())
    view.resume()
    view.apply(make_batch(1, [(1, 0)]))
    with elastic_server.writing() as client:
        client.indices.delete_alias(index=view.index.name.index, name=view.index.name.alias)
    with pytest.raises(ViewLostError):
        view.is_current()
    assert view.resume() == 1
    view.apply(make_batch(2, [(2, 0)]))
    assert view.labels() == BitMap64([1, 2])
    drop_indexes(elastic_server, view.index.name.collection)


def test_a_rebuild_beside_another_writer_disturbs_nobody(elastic_server: ElasticServer) -> None:
    collection = collection_of(None)
    writer, mender = (ElasticSparseView(elastic_server, collection, Analyzer()) for _ in range(2))
    writer.resume(), mender.resume()
    writer.apply(make_batch(5, [(1, 0), (2, 1)]))
    mender.mend(ViewBatch(0, [2], [make_chunk(3, 0)], state=7))
    writer.apply(make_batch(6, [(2, 1)]))  # older than what took it out
    assert (writer.is_current(), writer.resume()) == (True, 6)
    assert writer.labels() == BitMap64([1, 3])
    drop_indexes(elastic_server, collection)
