"""Knowledge bases on one catalog whose indexes are on one real Elasticsearch, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from waiting import PATIENCE_SECONDS, eventually

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.catalog import sqlite_url
from retrieval.elastic import ElasticServer, FreshSparseView
from retrieval.elastic.index import drop_indexes
from retrieval.types import Document

DOCUMENTS = 60
Open = Callable[..., KnowledgeBase]


@pytest.fixture
def opened(elastic_url: str, elastic_server: ElasticServer, tmp_path: Path) -> Iterator[Open]:
    """Opens knowledge bases on one catalog and one Elasticsearch, each with a data folder of its own."""
    prefix = f"repair_{uuid4().hex[:8]}"
    with ExitStack() as stack:
        stack.callback(drop_indexes, elastic_server, prefix)

        def open_(name: str, **more: object) -> KnowledgeBase:
            settings = {
                "data_dir": tmp_path / name,
                "encoder": "hash",
                "catalog_url": sqlite_url(tmp_path / "c.db"),
                "elasticsearch_url": elastic_url,
                "elasticsearch_prefix": prefix,
                **more,
            }
            return stack.enter_context(KnowledgeBase.open(Settings(**settings)))  # type: ignore[arg-type]

        yield open_


def words_of(kb: KnowledgeBase) -> FreshSparseView:
    view = kb.runtime("c").follower.views.sparse
    assert isinstance(view, FreshSparseView)
    return view


def filled(kb: KnowledgeBase) -> None:
    """A collection whose words this process writes to the index."""
    kb.create_collection("c")
    written(kb, [Document(f"k{n}", f"pump valve subject{n}word") for n in range(DOCUMENTS)])


def written(kb: KnowledgeBase, documents: Sequence[Document]) -> int:
    """The documents are in the index on the server."""
    seq = kb.write("c", documents).seq
    kb.wait_searchable("c", seq, PATIENCE_SECONDS)
    eventually(lambda: words_of(kb).server.seq == seq)
    return seq
