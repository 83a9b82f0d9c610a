"""Indexes on Elasticsearch are mended while another process writes them, and freed when nothing names them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from elastic import elastic_server, elastic_url, stack_of
from elastic_bases import DOCUMENTS, Open, filled, opened, words_of, written
from pyroaring import BitMap64
from waiting import PATIENCE_SECONDS, eventually

from api.jobs import upkeep
from api.knowledge_base import KnowledgeBase
from api.upkeep.maintenance import verify_collection
from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog.log import OperationLog
from retrieval.contracts import SharedView
from retrieval.elastic import ElasticServer, ElasticSparseView
from retrieval.elastic.index import kept_indexes
from retrieval.filters import AnyOf
from retrieval.plan import DEFAULT_PLAN, FusionMethod
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Document, Principal, ViewBatch

__all__ = ["elastic_server", "elastic_url", "opened", "stack_of"]

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("dense", ["hnswlib", "elasticsearch"])
def test_an_index_is_mended_while_another_process_writes_it(
    opened: Open, monkeypatch: pytest.MonkeyPatch, dense: str
) -> None:
    """Whatever the repair reads of the catalog, the index moves on before that is written."""
    api = opened("api", dense_view=dense)
    filled(api)
    jobs = opened("jobs", dense_view=dense)
    everything, number = OperationLog.everything, count()

    def overtaken(*about: Any) -> Iterator[ViewBatch]:
        for batch in everything(*about):
            if batch.added:
                written(api, [Document(f"w{next(number)}", "fresh pump")])
            yield batch

    index = words_of(api).server
    label = index.labels()[3]
    written(api, [Document("more", "another pump")])
    with index.index.server.writing() as client:
        client.delete(index=index.shared_name, id=str(label), refresh=True)
    monkeypatch.setattr(OperationLog, "everything", overtaken)
    mended = verify_collection(jobs, "c", repair=True)
    assert (mended.repaired, mended.views["sparse"].missing) == (True, 1)
    assert next(number) > 2
    assert label in index.labels()
    eventually(lambda: verify_collection(api, "c").in_step)


def test_what_an_index_holds_otherwise_is_found_and_mended(opened: Open) -> None:
    """Words, vectors, and what each leg filters by, each wrong alone; labels and what this process keeps are right."""
    api = opened("api", dense_view="elasticsearch")
    filled(api)
    jobs = opened("jobs", dense_view="elasticsearch")
    runtime = api.runtime("c")
    eventually(lambda: verify_collection(api, "c").in_step)  # what it read of the index is remembered from here on
    words, vectors = words_of(api).server, runtime.follower.views.dense
    (batch, *_) = api.catalog.log.everything(runtime.collection, BitMap64(), BitMap64())
    chunks = {int(chunk.metadata["_key"][1:]): chunk for chunk in batch.added}
    others = [replace(chunks[n], groups=("strangers",)) for n in (4, 6)]
    changed = [replace(chunks[3], text="undone zebra"), others[0], replace(chunks[5], metadata={})]
    words.mend(ViewBatch(0, [], changed, state=DOCUMENTS))
    assert isinstance(vectors, SharedView)
    vectors.mend(ViewBatch(0, [], [others[1], replace(chunks[7], vector=chunks[8].vector)], state=DOCUMENTS))

    def found(number: int) -> bool:
        """Whether somebody with the rights of everybody finds it by a word of its own, among those of its source."""
        asked = SearchRequest(f"subject{number}word", 1, filter=AnyOf("_source", ("api",)))
        hits = api.search("c", asked, Principal("anna"), plan=replace(DEFAULT_PLAN, fusion=FusionMethod.SPARSE)).hits
        return [hit.chunk.key for hit in hits] == [f"k{number}"]

    assert [found(number) for number in (2, 3, 4, 5)] == [True, False, False, False]
    expected = {"sparse": 3, "dense": 2, "attributes": 0}
    assert {name: view.changed for name, view in verify_collection(api, "c").views.items()} == expected
    mended = verify_collection(jobs, "c", repair=True)
    assert mended.repaired and {name: view.changed for name, view in mended.views.items()} == expected
    assert verify_collection(api, "c").in_step
    assert all(found(number) for number in (2, 3, 4, 5))


def aliases(server: ElasticServer, kb: KnowledgeBase) -> set[str]:
    """What is on the server under the prefix, without it."""
    prefix = kb.settings.elasticsearch_prefix
    return {alias.removeprefix(f"{prefix}-") for alias in kept_indexes(server, prefix)}


def compact(kb: KnowledgeBase) -> None:
    upkeep.compaction(kb, "", {"standby_days": None}, lambda done, total: None)


def test_indexes_that_nothing_names_go_with_compaction(opened: Open, elastic_server: ElasticServer) -> None:
    kb = opened("one", dense_view="elasticsearch")
    filled(kb)
    (words, vectors) = sorted(aliases(elastic_server, kb), key=lambda name: "dense" in name)
    kb.catalog.collections.change_settings("c", dictionary=("阀门组",))
    kb.serve_anew("c")
    eventually(lambda: words_of(kb).server.seq == DOCUMENTS)
    compact(kb)
    assert aliases(elastic_server, kb) > {words, vectors}, "what served before is open for a moment"
    kb.runtimes.forget("c")
    compact(kb)
    left = aliases(elastic_server, kb)
    assert (words in left, vectors in left, len(left)) == (False, True, 2), "the vectors stay as they are"
    assert len(kb.search("c", SearchRequest("pump", DOCUMENTS), OPERATOR).hits) == DOCUMENTS

    opened("without", sparse_view="tantivy", elasticsearch_url="").drop_collection("c")
    assert aliases(elastic_server, kb) == left
    other = ElasticServer(replace(elastic_server.options, catalog="another catalog"))
    foreign = ElasticSparseView(other, f"{kb.settings.elasticsearch_prefix}-9-0", Analyzer())
    foreign.resume()
    kb.runtimes.refresh("c")
    compact(kb)
    assert aliases(elastic_server, kb) == {foreign.shared_name.removeprefix(f"{kb.settings.elasticsearch_prefix}-")}
    other.close()


def test_an_index_gets_the_copies_that_the_settings_ask_for_later(opened: Open, elastic_server: ElasticServer) -> None:
    def copies(kb: KnowledgeBase) -> str:
        with elastic_server.writing() as client:
            (found,) = client.indices.get_settings(index=words_of(kb).server.shared_name, flat_settings=True).values()
        return str(found["settings"]["index.number_of_replicas"])

    kb = opened("one")
    filled(kb)
    assert copies(kb) == "0"
    kb.runtimes.forget("c")
    again = opened("again", elasticsearch_replicas=1)
    again.runtime("c")
    eventually(lambda: copies(again) == "1")


def test_what_one_process_holds_otherwise_takes_nothing_out_of_the_shared_index(opened: Open) -> None:
    api = opened("api")
    filled(api)
    jobs = opened("jobs")
    jobs.runtime("c")
    for turn in range(2):
        seq = written(api, [Document(f"more{turn}", "something about pumps")])
        runtime = jobs.runtime("c")
        runtime.follower.wait_for(seq, PATIENCE_SECONDS)
        (batch, *_) = jobs.catalog.log.everything(runtime.collection, BitMap64(), None)
        attributes = runtime.follower.views.attributes
        attributes.apply(ViewBatch(attributes.seq, [], [replace(batch.added[3], groups=("strangers",))]))
        mended = verify_collection(jobs, "c", repair=True)
        assert (mended.repaired, mended.views["attributes"].changed) == (True, 1)
    assert len(words_of(api).server.labels()) == DOCUMENTS + 2
    assert verify_collection(api, "c").in_step and verify_collection(jobs, "c").in_step
