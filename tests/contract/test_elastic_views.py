"""The views on Elasticsearch keep the contract of the embedded ones, and give the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elastic import collection_of, elastic_server, elastic_url, stack_of
from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.contracts import Scope
from retrieval.dense import DenseView
from retrieval.elastic import ElasticDenseView, ElasticServer, ElasticSparseView, FreshSparseView, ServerOptions, index
from retrieval.elastic.index import drop_indexes
from retrieval.elastic.layout import MAX_WINDOW
from retrieval.errors import OutageError, ViewLostError, ViewOvertakenError
from retrieval.filters import AnyOf
from retrieval.sparse import SparseView
from retrieval.testing.views import (
    DIM,
    TOPICS,
    IndexViewContract,
    make_batch,
    make_chunk,
    topic_text,
    topic_vector,
)
from retrieval.testing.words import WordViewContract
from retrieval.types import OPERATOR, IndexedChunk, Ranking, ViewBatch

__all__ = ["elastic_server", "elastic_url", "stack_of"]

pytestmark = [pytest.mark.server, pytest.mark.slow]


class _Elastic(IndexViewContract):
    histories = 1

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


class TestElasticSparse(WordViewContract, _Elastic):
    def make_view(self, folder: Path | None, *, read_only: bool = False) -> ElasticSparseView:
        view = ElasticSparseView(self.server, self.new_collection(folder), Analyzer())
        view.resume()
        return view


class _Fresh(FreshSparseView):
    """Applies as a follower does: to what is kept at once, to the server some batches later, and before it ends."""

    def __init__(self, server: ElasticSparseView, every: int) -> None:
        super().__init__(server, Analyzer())
        server.resume()
        self.recent.begin_at(server.seq)
        self._every, self._due = every, list[ViewBatch]()

    def apply(self, batch: ViewBatch) -> None:
        self.recent.apply(batch)
        self._due.append(batch)
        if len(self._due) >= self._every:
            self.save()

    def save(self) -> None:
        for batch in self._due:
            self.server.apply(batch)
        self._due.clear()


class TestFreshSparse(WordViewContract, _Elastic):
    every = 3

    def make_view(self, folder: Path | None, *, read_only: bool = False) -> FreshSparseView:
        return _Fresh(ElasticSparseView(self.server, self.new_collection(folder), Analyzer()), self.every)


class TestFreshSparseBeforeItsServer(TestFreshSparse):
    every = 1_000  # nothing is written before `save`


class TestElasticDense(_Elastic):
    def make_view(self, folder: Path | None, *, read_only: bool = False) -> ElasticDenseView:
        view = ElasticDenseView(self.server, self.new_collection(folder), DIM, "test")
        view.resume()
        return view

    def query(self, topic: int) -> Any:
        return topic_vector(topic)


def test_an_index_taken_away_is_noticed_and_made_again(elastic_server: ElasticServer) -> None:
    view = ElasticSparseView(elastic_server, collection_of(None), Analyzer())
    view.resume()
    view.apply(make_batch(1, [(1, 0)]))
    drop_indexes(elastic_server, view.index.name.collection)
    for act in (view.is_current, view.check, lambda: view.search(topic_text(0), 1), lambda: view.apply(make_batch(2))):
        with pytest.raises(ViewLostError):
            act()
    assert view.resume() == 0
    view.apply(make_batch(2, [(2, 0)]))
    assert view.labels() == BitMap64([2])
    drop_indexes(elastic_server, view.index.name.collection)


def test_of_two_writers_the_second_is_told(elastic_server: ElasticServer) -> None:
    collection = collection_of(None)
    first, second = (ElasticSparseView(elastic_server, collection, Analyzer()) for _ in range(2))
    first.resume(), second.resume()
    first.apply(make_batch(5, [(1, 0), (2, 1)]))
    assert not second.is_current()
    with pytest.raises(ViewOvertakenError):
        second.apply(make_batch(3, [], [2]))  # of an older state: what it wrote must not win either
    assert second.resume() == 5
    second.apply(make_batch(6, [(3, 0)]))
    assert not first.is_current()
    assert second.search(topic_text(1), 5).labels.tolist() == [2]
    assert second.search(topic_text(0), 5).labels.tolist() == [1, 3]
    drop_indexes(elastic_server, collection)


def test_a_late_older_state_does_not_win(elastic_server: ElasticServer) -> None:
    collection = collection_of(None)
    view = ElasticSparseView(elastic_server, collection, Analyzer())
    view.resume()
    newer = replace(make_chunk(1, 0), metadata={"n": 2})
    view.apply(ViewBatch(9, [2], [newer]))
    view.apply(ViewBatch(8, [], [replace(newer, metadata={"n": 1}), make_chunk(2, 0)]))
    assert view.search(topic_text(0), 5, None, Scope(OPERATOR, AnyOf("n", (2,)))).labels.tolist() == [1]
    assert (view.seq, view.labels()) == (9, BitMap64([1]))
    view.apply(ViewBatch(0, [], [replace(newer, metadata={"n": 3})], state=9))  # a rebuild's, which has no seq yet
    assert view.search(topic_text(0), 5, None, Scope(OPERATOR, AnyOf("n", (3,)))).labels.tolist() == [1]
    drop_indexes(elastic_server, collection)


def test_a_read_only_index_is_an_outage_with_its_remedy(elastic_server: ElasticServer) -> None:
    view = ElasticSparseView(elastic_server, collection_of(None), Analyzer())
    view.resume()
    view.apply(make_batch(1, [(1, 0)]))
    with elastic_server.writing() as client:
        client.indices.put_settings(index=view.index.name.index, settings={"index.blocks.read_only_allow_delete": True})
    with pytest.raises(OutageError, match="free space"):
        view.apply(make_batch(2, [(2, 0)]))
    assert view.search(topic_text(0), 5).labels.tolist() == [1]
    view.resume()  # the disk is not full: the block is lifted
    view.apply(make_batch(2, [(2, 0)]))
    assert view.search(topic_text(0), 5).labels.tolist() == [1, 2]
    drop_indexes(elastic_server, view.index.name.collection)


def test_a_server_that_is_not_there_is_an_outage() -> None:
    server = ElasticServer(ServerOptions("http://127.0.0.1:9"))
    with pytest.raises(OutageError, match="KB_ELASTICSEARCH_URL"):
        ElasticSparseView(server, "kb-test-none", Analyzer()).resume()
    server.close()


def test_a_large_batch_goes_in_parts(elastic_server: ElasticServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "BULK_BYTES", 500)
    monkeypatch.setattr(index, "PAGE", 7)
    view = ElasticSparseView(elastic_server, collection_of(None), Analyzer())
    view.resume()
    view.apply(make_batch(4, [(label, label % TOPICS) for label in range(50)], [99]))
    assert (view.seq, len(view), view.labels()) == (4, 50, BitMap64(range(50)))
    drop_indexes(elastic_server, view.index.name.collection)


def test_both_sparse_views_score_alike(elastic_server: ElasticServer) -> None:
    """Same idf, same length norms, same weights for repeated words; rounded to what float sums keep."""
    choose = np.random.default_rng(11)
    words = [f"w{first}{second}" for first in "bcdfghjk" for second in "lmnpq"]
    lengths = choose.integers(3, 300, 300)
    texts = [" ".join(choose.choice(words, int(length))) for length in lengths]
    batch = ViewBatch(1, [], [replace(make_chunk(i, 0), text=text) for i, text in enumerate(texts)])
    ours, theirs = SparseView(None, Analyzer()), ElasticSparseView(elastic_server, collection_of(None), Analyzer())
    theirs.resume()
    for view in (ours, theirs):
        view.apply(batch)
    for query in ("wbl wbm", "wcl wcl wdm", "wkq", "wfl wgm whn wjp the"):
        embedded, elastic = ours.search(query, 300), theirs.search(query, 300)
        assert set(embedded.labels) == set(elastic.labels)
        np.testing.assert_allclose(by_label(embedded), by_label(elastic), rtol=2e-3)
    assert theirs.document_frequency("wbl") == ours.document_frequency("wbl")
    ours.close()
    drop_indexes(elastic_server, theirs.index.name.collection)


def test_what_is_kept_before_the_server_scores_as_there(elastic_server: ElasticServer) -> None:
    """Half of the chunks not written yet: the same chunks, and scores that differ by the mean length alone."""
    choose = np.random.default_rng(13)
    words = [f"w{first}{second}" for first in "bcdfghjk" for second in "lmnpq"]
    texts = [" ".join(choose.choice(words, int(length))) for length in choose.integers(3, 300, 300)]
    chunks = [replace(make_chunk(i, 0), text=text) for i, text in enumerate(texts)]
    whole = ElasticSparseView(elastic_server, collection_of(None), Analyzer())
    whole.resume()
    whole.apply(ViewBatch(2, [], chunks))
    fresh = _Fresh(ElasticSparseView(elastic_server, collection_of(None), Analyzer()), every=100)
    fresh.apply(ViewBatch(1, [], chunks[:150]))
    fresh.save()
    fresh.apply(ViewBatch(2, [], chunks[150:]))
    assert (fresh.server.seq, fresh.seq, len(fresh), fresh.labels()) == (1, 2, 300, BitMap64(range(300)))
    for query in ("wbl wbm", "wcl wcl wdm", "wkq", "wfl wgm whn wjp the"):
        kept, written = fresh.search(query, 300), whole.search(query, 300)
        assert set(kept.labels) == set(written.labels)
        np.testing.assert_allclose(by_label(kept), by_label(written), rtol=0.03)
    assert fresh.document_frequency("wbl") == whole.document_frequency("wbl")
    allowed = BitMap64(range(100, 200))
    assert set(fresh.search("wbl", 300, allowed).labels) == set(whole.search("wbl", 300, allowed).labels)
    for view in (whole, fresh.server):
        drop_indexes(elastic_server, view.index.name.collection)


def test_thousands_of_ties_take_two_small_requests(
    elastic_server: ElasticServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ("send the invoice back with the invoice", *["send the invoice back"] * 49)
    chunks = [replace(make_chunk(label, 0), text=texts[label % len(texts)]) for label in range(3000)]
    ours, theirs = SparseView(None, Analyzer()), ElasticSparseView(elastic_server, collection_of(None), Analyzer())
    theirs.resume()
    for seq, some in enumerate((chunks[1500:], chunks[:1500]), start=1):  # the server's own order is not by label
        for view in (ours, theirs):
            view.apply(ViewBatch(seq, [], some))
    asked: list[int] = []
    for name in ("search", "search_from"):
        known = getattr(index.ElasticIndex, name)
        monkeypatch.setattr(
            index.ElasticIndex, name, lambda *about, known=known: asked.append(about[-1]) or known(*about)
        )
    found, expected = theirs.search("invoice", 100), ours.search("invoice", 100)
    assert found.labels.tolist() == expected.labels.tolist()
    assert len(asked) == 2
    assert max(asked) < 120
    ours.close()
    drop_indexes(elastic_server, theirs.index.name.collection)


def by_label(ranking: Ranking) -> list[float]:
    return [score for _, score in sorted(zip(ranking.labels.tolist(), ranking.scores.tolist(), strict=True))]


def test_both_dense_views_rank_alike(elastic_server: ElasticServer) -> None:
    choose = np.random.default_rng(12)
    rows = choose.standard_normal((2000, 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    batch = ViewBatch(1, [], [IndexedChunk(i, i, "", "", "", row, ("everyone",), {}) for i, row in enumerate(rows)])
    ours, theirs = DenseView(None, 32), ElasticDenseView(elastic_server, collection_of(None), 32, "test")
    theirs.resume()
    for view in (ours, theirs):
        view.apply(batch)
    shared = 0
    for query in rows[:40] + rows[40:80]:
        embedded, elastic = (
            ours.search(query / np.linalg.norm(query), 10),
            theirs.search(query / np.linalg.norm(query), 10),
        )
        shared += len(set(embedded.labels) & set(elastic.labels))
        scores = dict(zip(embedded.labels.tolist(), embedded.scores.tolist(), strict=True))
        for label, score in zip(elastic.labels.tolist(), elastic.scores.tolist(), strict=True):
            assert score == pytest.approx(scores.get(label, score), abs=2e-6)
    assert shared / 400 >= 0.98
    given_back = theirs.vectors(np.array([7, 99_999, 3]))
    np.testing.assert_allclose(given_back, [rows[7], np.zeros(32), rows[3]], atol=1e-6)
    many = np.resize(np.arange(100, 2_000), MAX_WINDOW + 5)  # as of the long documents that a search for 1,000 finds
    np.testing.assert_allclose(theirs.vectors(many), rows[many], atol=1e-6)
    theirs.index.write_beside(index.index_line(7, 1, {"vector": rows[8]}))
    np.testing.assert_allclose(theirs.vectors(np.array([7])), rows[7:8], atol=1e-6)  # it is remembered
    np.testing.assert_allclose(theirs.vectors(np.array([7]), anew=True), rows[8:9], atol=1e-6)
    ours.close()
    drop_indexes(elastic_server, theirs.index.name.collection)


def test_of_the_vectors_that_were_fetched_the_newest_are_kept(
    elastic_server: ElasticServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.eye(40, dtype=np.float32)
    batch = ViewBatch(1, [], [IndexedChunk(i, i, "", "", "", row, ("everyone",), {}) for i, row in enumerate(rows)])
    view = ElasticDenseView(elastic_server, collection_of(None), 40, "test", fetched_bytes=30 * rows[0].nbytes)
    view.resume()
    view.apply(batch)
    asked: list[list[int]] = []
    fetch = index.ElasticIndex.vectors
    monkeypatch.setattr(
        index.ElasticIndex, "vectors", lambda self, labels: asked.append(list(labels)) or fetch(self, labels)
    )
    for first, last in ((0, 20), (10, 35), (5, 35), (0, 6), (0, 40)):
        labels = np.arange(first, last)
        np.testing.assert_array_equal(view.vectors(labels), rows[labels])
    news = [range(20), range(20, 35), range(0), range(5), [*range(5, 10), *range(35, 40)]]
    assert [sorted(one) for one in asked] == [sorted(one) for one in news if len(one)]
    drop_indexes(elastic_server, view.index.name.collection)
